/** `pnpm schema`: the JSON Schema of everything that commands write as JSON, made from the types of the result model. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Config, createGenerator, type Schema } from "ts-json-schema-generator";

const MODEL = fileURLToPath(new URL("../../reports/any.ts", import.meta.url));
const TSCONFIG = fileURLToPath(new URL("../../tsconfig.json", import.meta.url));
export const SCHEMA_FILE = new URL("../../reports/schema/report-1.json", import.meta.url);

/** @param open whether a report may have more than the types say, as those of a later minor version may. */
export function schemaOf(open: boolean): Schema {
	const config: Config = {
		...{ path: MODEL, tsconfig: TSCONFIG, type: "AnyReport", skipTypeCheck: true },
		...{ expose: "export", jsDoc: "basic", additionalProperties: open, sortProps: true },
	};
	const schema = createGenerator(config).createSchema("AnyReport");
	return {
		...schema,
		$id: "faultline:report-1",
		title: "Faultline reports, format 1",
		description:
			"Everything that a command of Faultline writes as JSON. Made from the types in reports/ by pnpm schema.",
	};
}

export function schemaText(): string {
	return `${JSON.stringify(schemaOf(true), undefined, "\t")}\n`;
}

/** The schema as it is published. */
export function publishedSchema(): string {
	return readFileSync(SCHEMA_FILE, "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SCHEMA_FILE, schemaText());
