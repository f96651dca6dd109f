/** The published JSON Schema is that of the model, and everything that a command writes as JSON keeps to it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv, type AnySchemaObject } from "ajv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publishedSchema, schemaOf, schemaText } from "./schema/generate.ts";
import { sim } from "./support/cli.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "faultline-schema-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

/** Says what is wrong with a report of that kind; nothing may be in it that the types do not name. */
const strict = new Ajv({ allErrors: false, strict: false }).addSchema({
	...(schemaOf(false) as AnySchemaObject),
	$id: "strict",
});

function faultIn(kind: string, text: string): string | undefined {
	const validate = strict.getSchema(`strict#/definitions/${kind}`);
	if (validate === undefined) throw new Error(`The schema has no ${kind}.`);
	return validate(JSON.parse(text)) ? undefined : JSON.stringify(validate.errors);
}

it("is the schema of the types; otherwise: pnpm schema", () => {
	expect(publishedSchema()).toBe(schemaText());
});

it("is right by itself, and admits what a later version adds", () => {
	const published = new Ajv({ strict: false }).compile(JSON.parse(publishedSchema()));
	const report = { schemaVersion: 1, cost: { property: "cost.budget", engines: [], rows: [] }, later: true };
	expect(published(report)).toBe(true);
	expect(published({ ...report, schemaVersion: 2 })).toBe(false);
});

describe("keeps to the schema:", () => {
	it.each<[string, string, string[], string?]>([
		["one run", "Report", ["--seed", "956", "--json"]],
		["a search", "Report", ["--explore", "crashes", "--program", "simple", "--depth", "1", "--json"]],
		["two engines on the same seeds", "DifferReport", ["differ", "--runs", "3", "--program", "simple", "--json"]],
		["the gate of mutants", "MutantsReport", ["mutants", "--mutant", "queue-forgets-every-third-message", "--json"]],
		["costs", "CostReport", ["cost", "--engine", "rivet-2.3.19", "--json"]],
		["histories", "HistoriesReport", ["histories", "--json"]],
		[
			"upgrades",
			"UpgradeReport",
			["upgrade", "--engine", "rivet-2.3.18,rivet-2.3.19", "--program", "simple", "--json"],
		],
		[
			"a matrix",
			"MatrixReport",
			["matrix", "--engine", "rivet-2.3.19", "--runs", "3", "--no-upgrades", "--no-mutants", "--json"],
		],
		["a driver", "ConformReport", ["memory", "--runs", "2", "--no-throughput", "--json"], "sim/cli/conform.ts"],
	])("%s", async (_what, kind, args, entry) => {
		const { stdout } = await sim(args, undefined, entry);
		expect(faultIn(kind, stdout)).toBeUndefined();
	});

	it("a campaign, its runs, and two campaigns beside each other", async () => {
		const [first, second] = [join(directory, "first"), join(directory, "second")] as const;
		const campaign = ["--program", "fan-out", "--property", "replay.parallel-safe", "--expectations", "none"];
		await sim([...campaign, "--runs", "300", "--report", first, "--quiet"]);
		await sim([...campaign, "--runs", "40", "--report", second, "--quiet", "--baseline", join(first, "report.json")]);
		for (const one of [first, second]) {
			expect(faultIn("Report", readFileSync(join(one, "report.json"), "utf8"))).toBeUndefined();
		}
		const runs = readdirSync(join(first, "runs"));
		expect(runs).not.toEqual([]);
		for (const name of runs) {
			expect(faultIn("RunRecord", readFileSync(join(first, "runs", name), "utf8"))).toBeUndefined();
		}
		const { stdout } = await sim(["compare", join(second, "report.json"), join(first, "report.json"), "--json"]);
		expect(faultIn("CompareReport", stdout)).toBeUndefined();
	});
});
