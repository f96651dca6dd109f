/**
 * The storage suite as tests of an author's own test runner: a test for each property, which fails with the smallest sequence that
 * breaks it.
 */
import { UsageError } from "../../drivers/engine/contract.ts";
import { plug } from "../../drivers/storage/plug.ts";
import type { DriverFinding, DriverResult } from "../../reports/conform-model.ts";
import { DRIVER_PROPERTIES } from "../../suites/storage-driver/index.ts";
import { type ConformOptions, conformDriver } from "./conform.ts";

/** What is used of a test runner; vitest, jest and `node:test` have it. */
export interface TestRunner {
	describe(name: string, define: () => void): unknown;
	/** @param timeoutMs as vitest and jest take it. */
	it(name: string, run: () => Promise<void>, timeoutMs?: number): unknown;
}

export type DescribeOptions = Pick<ConformOptions, "from" | "runs" | "limitMs" | "known"> & {
	/** How the suite is called; the driver's name when absent. */
	readonly name?: string;
};

/** Seeds for each property, when nothing else is said: so that tests take the same on every machine. */
const RUNS = 30;
const TEST_LIMIT_MS = 120_000;

/**
 * Defines a test for each storage property.
 * @param driver a `PluggedDriver`, a function that makes an `EngineDriver`, its class, or an `EngineDriver`.
 * @throws UsageError when it is none of these.
 */
export function describeDriver(driver: unknown, runner: TestRunner, options: DescribeOptions = {}): void {
	const plugged = plug(options.name ?? "driver", driver);
	runner.describe(`${options.name ?? plugged.name}: storage`, () => {
		for (const property of DRIVER_PROPERTIES) {
			runner.it(
				`${property.id}: ${property.claim}`,
				async () => {
					const result = await conformDriver(plugged, {
						...options,
						properties: [property],
						runs: options.runs ?? RUNS,
					});
					const broken = result.findings.filter(({ verdict }) => verdict === "fail" || verdict === "fixed");
					if (broken.length > 0) throw new Error(broken.map(findingText).join("\n\n"));
				},
				TEST_LIMIT_MS,
			);
		}
	});
}

export type HoldOptions = Omit<ConformOptions, "properties" | "engine"> & {
	/** Ids of properties, e.g. `storage.map`; all of them when absent. */
	readonly properties?: readonly string[];
};

/**
 * Holds a driver to its promises, and gives what became of it as data. Seeds as for `pnpm conform`, unless `runs` says how many.
 * @throws UsageError when it is no driver, or when there is no property of an id.
 */
export async function conform(driver: unknown, { properties, ...options }: HoldOptions = {}): Promise<DriverResult> {
	const chosen = properties?.map((id) => {
		const property = DRIVER_PROPERTIES.find((candidate) => candidate.id === id);
		if (property !== undefined) return property;
		throw new UsageError(`Unknown property "${id}"; choose from ${DRIVER_PROPERTIES.map(({ id }) => id).join(", ")}.`);
	});
	return conformDriver(plug("driver", driver), { ...options, ...(chosen === undefined ? {} : { properties: chosen }) });
}

function findingText({ id, message, steps, seed }: DriverFinding): string {
	const told = steps.map((step, i) => `  ${String(i + 1).padStart(2)}  ${step}`);
	return [`${id}: ${message}`, ...told, `  (seed ${seed})`].join("\n");
}
