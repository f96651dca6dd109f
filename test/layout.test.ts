/**
 * Imports go one way only: `sim/cli -> sim/explore -> suites -> drivers, fixtures -> sim/world`, and `reports` stands
 * apart. A room may look at any room below it, never at one above or beside it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The rooms, by the folder they live in, and the package's entry, each with what it may import besides itself. */
const ROOMS: ReadonlyMap<string, readonly RegExp[]> = new Map([
	["sim/world", []],
	["drivers", [/^sim\/world\//]],
	["fixtures", [/^sim\/world\//, /^drivers\/[^/]+\/contract\.ts$/]],
	["suites", [/^sim\/world\//, /^drivers\//, /^fixtures\//, /^reports\/model\.ts$/]],
	["sim/explore", [/^sim\/world\//, /^drivers\//, /^fixtures\//, /^suites\//, /^reports\/model\.ts$/]],
	["sim/conform", [/^sim\/world\//, /^drivers\//, /^fixtures\//, /^suites\//, /^reports\/(conform-)?model\.ts$/]],
	["sim/cli", [/^(sim|drivers|fixtures|suites|reports)\//]],
	[
		"sim/index.ts",
		[/^sim\/(world|explore|conform)\//, /^drivers\//, /^fixtures\//, /^suites\//, /^reports\/(conform-)?model\.ts$/],
	],
	["reports", []],
]);

const SOURCE = /\.[cm]?[jt]sx?$/;
/** What follows `from`, `import` or `import(`: static imports, re-exports, imports for effect and dynamic ones. */
const SPECIFIER = /(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"'\n]+)\1/g;

/** The project's files that a source imports, as paths from the root; packages and built-ins are left out. */
function importsOf(file: string, source: string): string[] {
	return [...source.matchAll(SPECIFIER)]
		.map(([, , specifier = ""]) => specifier)
		.filter((specifier) => specifier.startsWith("."))
		.map((specifier) =>
			relative("/", resolve("/", dirname(file), specifier))
				.split(sep)
				.join("/"),
		);
}

/** `file imports file`, for every import that the room does not allow. */
function violations(room: string, file: string, source: string): string[] {
	const allowed = ROOMS.get(room) ?? [];
	return importsOf(file, source)
		.filter((imported) => !imported.startsWith(`${room}/`) && !allowed.some((pattern) => pattern.test(imported)))
		.map((imported) => `${file} imports ${imported}`);
}

function filesOf(room: string): string[] {
	if (SOURCE.test(room)) return [room];
	return readdirSync(join(ROOT, room), { recursive: true, encoding: "utf8" })
		.filter((file) => SOURCE.test(file))
		.map((file) => `${room}/${file.split(sep).join("/")}`)
		.sort();
}

describe.each([...ROOMS.keys()])("%s", (room) => {
	const files = filesOf(room);

	test("has files", () => {
		expect(files).not.toEqual([]);
	});

	test("imports only what is below it", () => {
		expect(files.flatMap((file) => violations(room, file, readFileSync(join(ROOT, file), "utf8")))).toEqual([]);
	});
});

test("the parts of a world are the world's own", () => {
	const importers = [...ROOMS.keys()]
		.flatMap(filesOf)
		.filter((file) => !file.startsWith("sim/world/parts/"))
		.filter((file) =>
			importsOf(file, readFileSync(join(ROOT, file), "utf8")).some((at) => at.startsWith("sim/world/parts/")),
		);
	expect(importers).toEqual(["sim/world/world.ts"]);
});

test("every source of the project lives in a room, or is a test, a benchmark or an example", () => {
	const folders = readdirSync(ROOT, { withFileTypes: true })
		.filter((entry) => entry.isDirectory() && !/^(\.|(node_modules|dist)$)/.test(entry.name))
		.flatMap(({ name }) => filesOf(name));
	const homeless = folders.filter(
		(file) =>
			!/^(test|bench|examples|docs\/api)\//.test(file) &&
			![...ROOMS.keys()].some((room) => file === room || file.startsWith(`${room}/`)),
	);
	expect(homeless).toEqual([]);
});

describe("the rules catch", () => {
	test.each<[string, string, string, string]>([
		["the world knowing a driver", "sim/world", "sim/world/world.ts", "../../drivers/engine/host.ts"],
		["the world knowing the search", "sim/world", "sim/world/world.ts", "../explore/draw.ts"],
		["a driver knowing a suite", "drivers", "drivers/engine/host.ts", "../../suites/run.ts"],
		["a driver knowing a fixture", "drivers", "drivers/engine/host.ts", "../../fixtures/programs/index.ts"],
		["a fixture knowing how a driver works", "fixtures", "fixtures/programs/basics.ts", "../../drivers/engine/host.ts"],
		["a fixture knowing a suite", "fixtures", "fixtures/programs/basics.ts", "../../suites/run.ts"],
		["a suite knowing the search", "suites", "suites/run.ts", "../sim/explore/draw.ts"],
		["the search knowing the command line", "sim/explore", "sim/explore/draw.ts", "../cli/main.ts"],
		["the search knowing a renderer", "sim/explore", "sim/explore/draw.ts", "../../reports/terminal.ts"],
		["a report knowing what it reports on", "reports", "reports/terminal.ts", "../suites/run.ts"],
	])("%s", (_what, room, file, specifier) => {
		expect(violations(room, file, `import { a } from "${specifier}";`)).toHaveLength(1);
	});

	test.each<[string, string]>([
		["an import", 'import { a } from "../../suites/run.ts";'],
		["an import over several lines", 'import {\n\ta,\n\tb,\n} from "../../suites/run.ts";'],
		["an import of a default", 'import a from "../../suites/run.ts";'],
		["an import of types", 'import type { A } from "../../suites/run.ts";'],
		["an import for its effect", 'import "../../suites/run.ts";'],
		["a dynamic import", 'const a = await import("../../suites/run.ts");'],
		["a type taken by a dynamic import", 'type A = import("../../suites/run.ts").A;'],
		["a re-export", 'export { a } from "../../suites/run.ts";'],
		["a re-export of everything", "export * from '../../suites/run.ts';"],
	])("%s, however it is written", (_what, source) => {
		expect(violations("sim/world", "sim/world/world.ts", source)).toEqual(["sim/world/world.ts imports suites/run.ts"]);
	});

	test.each<[string, string]>([
		["a file of the same room", 'import { a } from "./agenda.ts";'],
		["a package", 'import { Encoder } from "cbor-x";'],
		["a built-in module", 'import fs from "node:fs";'],
	])("nothing in %s", (_what, source) => {
		expect(violations("sim/world", "sim/world/world.ts", source)).toEqual([]);
	});
});
