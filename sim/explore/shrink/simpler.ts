/**
 * What makes one scenario simpler than another, and what to try in place of its parts: plain functions of plain data, the
 * simplest first. The search that uses them is shrink.ts.
 */
import { sleepOf, smaller, workOf } from "../../../fixtures/generators/edit.ts";
import { countStatements } from "../../../fixtures/generators/statement.ts";
import type { ProgramInput } from "../../../fixtures/programs/program.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { type Fault, type FaultKind, type Latency, NO_LATENCY } from "../../world/faults.ts";
import type { Schedule } from "../../world/schedule.ts";
import { coordinateOf, placeOf } from "./anchor.ts";

/**
 * How big a scenario is: natural numbers, compared from the first, so that nothing gets smaller for ever. In this order:
 * faults; statements; messages; what the statements do (rounds, branches, failures); how many of its surroundings are not
 * plain; what its faults are like; the numbers in its surroundings and faults; virtual milliseconds slept; the messages'
 * times and bodies; the seed; the places of its faults.
 *
 * @param inputs the messages that are sent, be they the scenario's or the program's own.
 */
export function sizeOf(scenario: Scenario, inputs: readonly ProgramInput[]): readonly number[] {
	const { statements = [], faults, hosting, latency, inFlight, schedule, seed } = scenario;
	const unlike = [
		scenario.change !== undefined,
		scenario.startedWith !== undefined,
		schedule !== undefined,
		latency.maxMs > 0 || latency.answerMaxMs > 0,
		inFlight === "drawn",
		hosting.mode === "yield",
		hosting.coldWake,
		hosting.restartMs > 0,
	];
	return [
		faults.length,
		countStatements(statements),
		inputs.length,
		workOf(statements),
		unlike.filter(Boolean).length,
		sum(faults.map(weightOf)),
		hosting.restartMs + latency.minMs + latency.maxMs + latency.answerMaxMs + lengthOf(schedule),
		sum(faults.map(amountOf)),
		sleepOf(statements),
		sum(inputs.map(({ atMs, body }) => atMs + JSON.stringify(body ?? null).length)),
		/^\d{1,15}$/.test(seed) ? Number(seed) : Number.MAX_SAFE_INTEGER,
		sum(faults.map(halvesOf)),
	];
}

/** Whether a size is smaller than another, both from `sizeOf`. */
export function isSmaller(a: readonly number[], b: readonly number[]): boolean {
	const differs = a.findIndex((value, i) => value !== b[i]);
	return differs >= 0 && (a[differs] as number) < (b[differs] as number);
}

/** How much has to be said to explain a fault of that kind. */
const WEIGHTS: Readonly<Partial<Record<FaultKind, number>>> = {
	crash: 0,
	evict: 1,
	cancel: 1,
	wake: 1,
	read: 1,
	recover: 1,
	message: 1,
	"replay-from": 1,
	alarm: 2,
	slow: 1,
	refused: 2,
	"lost-ack": 2,
	hung: 2,
	"power-loss": 3,
	torn: 3,
	corrupt: 3,
};
/** Of kinds that are not named above. */
const USUAL_WEIGHT = 2;

function weightOf(fault: Fault): number {
	const late = fault.kind === "crash" && fault.late !== undefined ? 1 : 0;
	return (WEIGHTS[fault.kind] ?? USUAL_WEIGHT) + (fault.kind === "crash" && "event" in fault ? 1 : 0) + late;
}

/** How much a fault does: what it lists, and every number that is not its place. */
function amountOf(fault: Fault): number {
	return sum(
		Object.entries(fault).map(([field, value]) => {
			if (Array.isArray(value)) return value.length;
			return typeof value === "number" && field !== coordinateOf(fault) ? value : 0;
		}),
	);
}

/** The place of a fault in half places, since a crash after a write comes later than one before it. */
function halvesOf(fault: Fault): number {
	return 2 * placeOf(fault) + (fault.kind === "crash" && "side" in fault && fault.side === "after" ? 1 : 0);
}

function lengthOf(schedule: Schedule | undefined): number {
	if (schedule === undefined) return 0;
	return (
		1 + (schedule.kind === "priorities" ? schedule.changes.length : sum(schedule.choices.map((place) => 1 + place)))
	);
}

/**
 * Simpler faults to try in place of one.
 * @param writes durable effects that there were when it struck.
 */
export function simplerFaults(fault: Fault, writes: number): readonly Fault[] {
	const crashes: Fault[] = [
		{ kind: "crash", write: writes + 1, side: "before" },
		...(writes > 0 ? [{ kind: "crash", write: writes, side: "after" } as const] : []),
	];
	switch (fault.kind) {
		case "crash": {
			const { late, ...plain } = fault;
			const fewer = late?.map((_, i) => ({ ...plain, late: late.filter((_, other) => other !== i) })) ?? [];
			return [...("event" in fault ? crashes : []), ...(late === undefined ? [] : [plain, ...fewer])];
		}
		case "slow":
		case "alarm":
			return smaller(fault.ms, 1).map((ms) => ({ ...fault, ms }));
		case "message":
			return smaller(fault.which, 0).map((which) => ({ ...fault, which }));
		case "replay-from":
			return smaller(fault.step, 0).map((step) => ({ ...fault, step }));
		case "torn":
			return [
				...crashes,
				...fault.kept.map((_, i) => ({ ...fault, kept: fault.kept.filter((_, other) => other !== i) })),
			];
		case "power-loss":
			return [...crashes, ...smaller(fault.lost, 1).map((lost) => ({ ...fault, lost }))];
		case "evict":
		case "refused":
		case "lost-ack":
			return [];
		default:
			return [...crashes, ...withLess(fault)];
	}
}

/** The fault, of a kind that nothing is known of here, with less of each number that is not its place. */
function withLess(fault: Fault): readonly Fault[] {
	return Object.entries(fault).flatMap(([field, value]) =>
		typeof value === "number" && field !== coordinateOf(fault)
			? smaller(value, 1).map((less) => ({ ...(fault as Fault), [field]: less }))
			: [],
	);
}

/** A crash with what was in flight taking effect or not as told, instead of by a draw. */
export function decidedCrashes(fault: Fault, inFlight: number): readonly Fault[] {
	if (fault.kind !== "crash" || fault.late !== undefined || inFlight === 0) return [];
	const all = Array.from({ length: inFlight }, (_, place) => place);
	return [...all.map((place) => [place]), ...(inFlight > 1 ? [all] : [])].map((late) => ({ ...fault, late }));
}

/** The scenario with nothing special about where it runs. */
export function plain({ schedule: _, ...scenario }: Scenario): Scenario {
	return {
		...scenario,
		seed: "1",
		hosting: { mode: "live", restartMs: 0, coldWake: false },
		latency: NO_LATENCY,
		inFlight: "lost",
	};
}

/** Scenarios that run in simpler surroundings: one thing changed in each, the faults as they are. */
export function simplerSurroundings(scenario: Scenario): readonly Scenario[] {
	const { schedule, ...unscheduled } = scenario;
	const { change, ...unchanged } = scenario;
	const { startedWith, ...startedPlainly } = scenario;
	const { hosting, latency, inFlight, seed } = scenario;
	return [
		...(change === undefined ? [] : [unchanged]),
		...(startedWith === undefined ? [] : [startedPlainly]),
		...(schedule === undefined
			? []
			: [unscheduled, ...shorter(schedule).map((less) => ({ ...scenario, schedule: less }))]),
		...simplerLatencies(latency).map((less) => ({ ...scenario, latency: less })),
		...(inFlight === "lost" ? [] : [{ ...scenario, inFlight: "lost" as const }]),
		...(hosting.mode === "live" ? [] : [{ ...scenario, hosting: { ...hosting, mode: "live" as const } }]),
		...(hosting.coldWake ? [{ ...scenario, hosting: { ...hosting, coldWake: false } }] : []),
		...smaller(hosting.restartMs, 0).map((restartMs) => ({ ...scenario, hosting: { ...hosting, restartMs } })),
		...SEEDS.filter((other) => other !== seed).map((other) => ({ ...scenario, seed: other })),
	];
}

/** Seeds to try in place of another, as any one is as good. */
export const SEEDS: readonly string[] = ["1", "2", "3", "4", "5", "6"];

function simplerLatencies(latency: Latency): Latency[] {
	const { minMs, maxMs } = latency;
	if (maxMs === 0 && latency.answerMaxMs === 0) return [];
	return [
		NO_LATENCY,
		...smaller(latency.answerMaxMs, 0).map((answerMaxMs) => ({ ...latency, answerMaxMs })),
		...smaller(minMs, 0).map((less) => ({ ...latency, minMs: less })),
		...smaller(maxMs, minMs).map((less) => ({ ...latency, maxMs: less })),
	];
}

function shorter(schedule: Schedule): Schedule[] {
	if (schedule.kind === "priorities") {
		const { changes } = schedule;
		return changes.map((_, i) => ({ ...schedule, changes: changes.filter((_, other) => other !== i) }));
	}
	const { choices } = schedule;
	return [
		{ ...schedule, choices: choices.slice(0, choices.length >> 1) },
		{ ...schedule, choices: choices.slice(0, -1) },
		...choices.flatMap((choice, i) => (choice === 0 ? [] : [{ ...schedule, choices: choices.with(i, 0) }])),
	].filter((less) => less.choices.length < choices.length || less.choices.some((choice, i) => choice !== choices[i]));
}

/**
 * Messages to try in place of all: sent sooner, by shorter gaps between them, or with less in one of them.
 * @param read whether the program looks at bodies.
 */
export function simplerMessages(inputs: readonly ProgramInput[], read: boolean): readonly (readonly ProgramInput[])[] {
	// A gap closes with all that comes after it, so that the other gaps stay as they are.
	const times = [...new Set([0, ...inputs.map(({ atMs }) => atMs)])].sort((a, b) => a - b);
	const sooner = times.slice(1).flatMap((time, i) => {
		const gapMs = time - (times[i] as number);
		return smaller(gapMs, 0).map((lessMs) =>
			inputs.map((input) => (input.atMs < time ? input : { ...input, atMs: input.atMs - gapMs + lessMs })),
		);
	});
	const emptier = inputs.flatMap((input, i) => {
		const bodies = read ? simplerBodies(input.body) : input.body === null ? [] : [null];
		return bodies.map((body) => inputs.with(i, { ...input, body }));
	});
	return [...(times.length > 1 ? [inputs.map((input) => ({ ...input, atMs: 0 }))] : []), ...sooner, ...emptier];
}

/** Bodies of the same shape with smaller numbers: what else a program makes of them is not known. */
function simplerBodies(body: unknown): unknown[] {
	if (typeof body === "number") return Number.isInteger(body) && body > 0 ? smaller(body, 0) : [];
	if (typeof body !== "object" || body === null || Array.isArray(body)) return [];
	return Object.entries(body).flatMap(([name, value]) =>
		simplerBodies(value).map((less) => ({ ...body, [name]: less })),
	);
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}
