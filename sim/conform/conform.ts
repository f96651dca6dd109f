/**
 * Holds storage drivers to their promises: every property over seeds, and the real engine's throughput. What a driver gets wrong,
 * however badly, is a finding; the others still run.
 */
import type { Engine } from "../../drivers/engine/contract.ts";
import type { PluggedDriver } from "../../drivers/storage/contract.ts";
import type { Plugged } from "../../drivers/storage/plug.ts";
import type { DriverCell, DriverFinding, DriverResult } from "../../reports/conform-model.ts";
import { findingId } from "../../reports/model.ts";
import { contract, missing } from "../../suites/storage-driver/contract.ts";
import { Host, messageOf } from "../../suites/storage-driver/host.ts";
import { DRIVER_PROPERTIES } from "../../suites/storage-driver/index.ts";
import { Break, type Claimed, type DriverMethod, type DriverProperty } from "../../suites/storage-driver/property.ts";
import { type BreakFound, check } from "./check.ts";
import type { KnownFailure } from "./known.ts";
import type { Stray } from "./strays.ts";
import { REAL_TIME, type RealTime, Subject, uniquePrefix } from "./subject.ts";
import { throughput } from "./throughput.ts";

export interface ConformOptions {
	/** Which properties; all of them when absent. */
	readonly properties?: readonly DriverProperty[];
	/** The first seed; 1 when absent. */
	readonly from?: number;
	/** Seeds for each property; when absent, as many as fit into `budgetMs`, at most `DEFAULT_RUNS`. */
	readonly runs?: number;
	/** Real milliseconds for each property; without effect where `runs` is given. */
	readonly budgetMs?: number;
	/** Real milliseconds after which shrinking a failure ends with what there is. */
	readonly shrinkMs?: number;
	/** How long an operation may take; opening may take six times that. */
	readonly limitMs?: number;
	/** Measures throughput with this engine; not measured when absent. */
	readonly engine?: Engine;
	/** Begins the names of all namespaces; one that was never used before when absent. */
	readonly prefix?: string;
	/** How the finding is shown again; a seed and a property are to be filled in. */
	command?(property: string, seed: number): string;
	/** What is known to be wrong with the driver, by id of the finding. */
	readonly known?: ReadonlyMap<string, KnownFailure>;
	/** Told before each property. */
	progress?(driver: string, what: string): void;
	/** Whether to end before the next run. */
	stopped?(): boolean;
	readonly time?: RealTime;
}

export const DEFAULT_RUNS = 200;
export const DEFAULT_BUDGET_MS = 3_000;
export const DEFAULT_LIMIT_MS = 10_000;
export const DEFAULT_SHRINK_MS = 6_000;

/** Holds one driver to its promises. @throws what the harness itself gets wrong, which is no finding. */
export async function conformDriver(plugged: PluggedDriver, options: ConformOptions = {}): Promise<DriverResult> {
	const time = options.time ?? REAL_TIME;
	const startedAt = time.now();
	const seconds = () => Number(((time.now() - startedAt) / 1_000).toFixed(3));
	const unavailable = await why(plugged);
	if (unavailable !== undefined) {
		const skipped = { verdict: "skip" as const, reason: unavailable };
		return { driver: plugged.name, ...skipped, said: [], cells: [], findings: [], seconds: seconds() };
	}
	const subject = new Subject(plugged, options.prefix ?? uniquePrefix(), options.limitMs ?? DEFAULT_LIMIT_MS, time);
	options.progress?.(plugged.name, "opens");
	const probe = await probed(subject);
	const claimed = subject.claimed(probe.tellsAlarm);
	const cells: DriverCell[] = [];
	const findings: DriverFinding[] = [];
	for (const property of propertiesFor(probe, options.properties ?? DRIVER_PROPERTIES)) {
		const unclaimed = property.unclaimed?.(claimed) ?? [];
		const reason = skipReason(property, claimed, probe);
		if (reason !== undefined) {
			cells.push({ property: property.id, verdict: "skip", runs: 0, reason, unclaimed });
			continue;
		}
		if (options.stopped?.() === true) break;
		options.progress?.(plugged.name, property.id);
		const checking = {
			from: options.from ?? 1,
			runs: property === contract ? 1 : (options.runs ?? DEFAULT_RUNS),
			budgetMs: options.runs === undefined ? (options.budgetMs ?? DEFAULT_BUDGET_MS) : Number.POSITIVE_INFINITY,
			shrinkMs: options.shrinkMs ?? DEFAULT_SHRINK_MS,
			stopped: () => options.stopped?.() === true,
		};
		const { runs, found, lastSteps } = await check(property, subject, claimed, checking);
		const told = found.map((broke) => findingOf(property, plugged, broke, options));
		// A single run was asked for by its seed, and says nothing of others.
		const expected = [...(options.runs === 1 ? [] : (options.known ?? []))].filter(
			([id]) => id.startsWith(`${property.id}/`) && !told.some((finding) => finding.id === id),
		);
		for (const [id, known] of expected) {
			if (checking.stopped()) break;
			const again = await check(property, subject, claimed, { ...checking, from: known.seed, runs: 1 });
			const broke = again.found.find(({ kind }) => id === findingId({ property: property.id, kind }));
			told.push(
				broke === undefined
					? fixed(property, plugged, id, known, options)
					: findingOf(property, plugged, broke, options),
			);
		}
		findings.push(...told);
		cells.push({
			property: property.id,
			verdict: worst(told.map(({ verdict }) => verdict)),
			runs,
			...(options.runs === 1 ? { steps: lastSteps } : {}),
			unclaimed,
		});
	}
	let stepsPerSecond: number | string | undefined;
	if (options.engine !== undefined && probe.broken === undefined && options.stopped?.() !== true) {
		options.progress?.(plugged.name, "throughput");
		stepsPerSecond = await throughput(subject, options.engine);
	}
	const verdict = worst(cells.map(({ verdict }) => verdict));
	return {
		driver: plugged.name,
		// It did not open once, and did when it was asked again.
		...(probe.broken === undefined || findings.length > 0 ? { verdict } : { verdict: "fail", reason: probe.broken }),
		claims: { ...claimed.claims },
		said: [...claimed.said],
		cells,
		findings,
		...(typeof stepsPerSecond === "number" ? { stepsPerSecond: Math.round(stepsPerSecond) } : {}),
		...(typeof stepsPerSecond === "string" ? { reason: stepsPerSecond } : {}),
		seconds: seconds(),
	};
}

async function why(plugged: PluggedDriver): Promise<string | undefined> {
	try {
		return await plugged.unavailable?.();
	} catch (error) {
		return `unavailable() failed: ${messageOf(error)}`;
	}
}

interface Probe {
	/** Why nothing of it can be tested; `storage.contract` then tells it as a finding. */
	readonly broken?: string;
	readonly missing: readonly DriverMethod[];
	readonly tellsAlarm: boolean;
}

/** One look at an opened namespace, which decides what can be asked at all. */
async function probed(subject: Subject): Promise<Probe> {
	const name = subject.newNamespace();
	try {
		const host = await Host.open(async () => subject.plugged.open(name), subject.limit);
		const lacking = missing(host.driver);
		const { tellsAlarm } = host;
		await host.end();
		return { missing: lacking, tellsAlarm };
	} catch (error) {
		if (!(error instanceof Break)) throw error;
		return { broken: error.message, missing: [], tellsAlarm: false };
	} finally {
		await subject.destroy(name);
	}
}

/** Where something is skipped because the driver is not whole, that is told as well, whatever was asked for. */
function propertiesFor(probe: Probe, asked: readonly DriverProperty[]): readonly DriverProperty[] {
	const whole = probe.broken === undefined && probe.missing.length === 0;
	return whole || asked.includes(contract) ? asked : [contract, ...asked];
}

function skipReason(property: DriverProperty, claimed: Claimed, probe: Probe): string | undefined {
	if (property === contract) return undefined;
	if (probe.broken !== undefined) return probe.broken;
	const lacking = property.uses.filter((method) => probe.missing.includes(method));
	if (lacking.length > 0) return `the driver has no ${lacking.join(", no ")}`;
	return property.skips?.(claimed);
}

function findingOf(
	{ id: property }: DriverProperty,
	{ name: driver }: Plugged,
	{ kind, message, disputed, seed, runs, steps, reproducible }: BreakFound,
	{ known, command }: ConformOptions,
): DriverFinding {
	const id = findingId({ property, kind });
	const reason = known?.get(id)?.reason;
	const verdict = reason !== undefined ? "known" : disputed !== undefined ? "disputed" : "fail";
	return {
		...{ id, property, kind, driver, verdict, seed, runs, message, steps, reproducible },
		command: command?.(property, seed) ?? `conform(driver, { properties: ["${property}"], from: ${seed}, runs: 1 })`,
		...(disputed === undefined ? {} : { disputed }),
		...(reason === undefined ? {} : { reason }),
	};
}

/** The result with what the driver threw where nobody waited for it. */
export function withStrayFindings(result: DriverResult, strays: readonly Stray[]): DriverResult {
	if (strays.length === 0) return result;
	const findings = strays.map(({ kind, message, during }): DriverFinding => {
		const property = contract.id;
		return {
			...{ id: findingId({ property, kind }), property, kind, driver: result.driver, verdict: "fail" },
			...{ seed: 1, runs: 1, steps: [], reproducible: false },
			message: `during ${during}, the driver left an error that nobody waited for: ${message}`,
			command: "",
		};
	});
	const cells = result.cells.map((cell) =>
		cell.property === contract.id ? { ...cell, verdict: "fail" as const } : cell,
	);
	return { ...result, verdict: "fail", cells, findings: [...result.findings, ...findings] };
}

/** What is listed as known, and its seed shows no longer. */
function fixed(
	{ id: property }: DriverProperty,
	{ name: driver }: Plugged,
	id: string,
	{ seed }: KnownFailure,
	{ command }: ConformOptions,
): DriverFinding {
	return {
		...{ id, property, kind: id.slice(property.length + 1), driver, verdict: "fixed", seed, runs: 0 },
		message: "It is listed as known, and its seed shows it no longer: take it off the list.",
		steps: [],
		reproducible: true,
		command: command?.(property, seed) ?? "",
	};
}

const ORDER = ["skip", "pass", "disputed", "known", "fixed", "fail"] as const;

/** The gravest; `pass` for none. */
export function worst<V extends (typeof ORDER)[number]>(verdicts: readonly V[]): V | "pass" {
	const [first, ...others] = verdicts;
	if (first === undefined) return "pass";
	return others.reduce(
		(gravest, verdict) => (ORDER.indexOf(verdict) > ORDER.indexOf(gravest) ? verdict : gravest),
		first,
	);
}
