/**
 * One property on one driver: a run for each seed, and the smallest sequence of each way in which it breaks. The first failing run
 * of a kind is shrunk, in which only failures of that kind count.
 */
import * as fc from "fast-check";
import { Host } from "../../suites/storage-driver/host.ts";
import { type Bench, Break, type Claimed, type DriverProperty } from "../../suites/storage-driver/property.ts";
import type { Subject } from "./subject.ts";

export interface CheckOptions {
	/** The first seed. */
	readonly from: number;
	/** How many seeds, at most. */
	readonly runs: number;
	/** Real milliseconds after which no new run begins; at least one run is made. */
	readonly budgetMs: number;
	/** Real milliseconds after which shrinking ends with what there is. */
	readonly shrinkMs: number;
	/** Whether to end before the next run. */
	stopped(): boolean;
}

export interface BreakFound {
	readonly kind: string;
	readonly message: string;
	readonly disputed?: string;
	readonly seed: number;
	readonly runs: number;
	readonly steps: readonly string[];
	readonly reproducible: boolean;
}

export interface Checked {
	readonly runs: number;
	readonly found: readonly BreakFound[];
	/** The sequence of the last run, as it was drawn, a step a line. */
	readonly lastSteps: readonly string[];
}

/** What a failing run may cost: after as many of them the property is told to fail and left. */
const MOST_FAILING_RUNS = 25;

/** Holds the driver to the property. @throws what the suite itself throws, which is no finding. */
export async function check(
	property: DriverProperty,
	subject: Subject,
	claimed: Claimed,
	options: CheckOptions,
): Promise<Checked> {
	const { now } = subject.time;
	const found = new Map<string, BreakFound>();
	const endsAt = now() + options.budgetMs;
	let runs = 0;
	let failing = 0;
	let drawn: unknown;
	const onDrawn = (sequence: unknown) => {
		drawn = sequence;
	};
	for (; runs < options.runs && failing < MOST_FAILING_RUNS; runs++) {
		if (options.stopped() || (runs > 0 && now() >= endsAt)) break;
		// A driver in memory would keep the thread for itself.
		await subject.time.turn();
		const seed = options.from + runs;
		const first = await attempt(property, subject, claimed, seed, { onDrawn });
		if (first === undefined) continue;
		failing++;
		const known = found.get(first.broke.kind);
		if (known !== undefined) {
			found.set(first.broke.kind, { ...known, runs: known.runs + 1 });
			continue;
		}
		const shrinking = { kind: first.broke.kind, shrinkMs: options.shrinkMs };
		const again = await attempt(property, subject, claimed, seed, shrinking);
		const shrunk = again === undefined ? first : await dropped(property, subject, claimed, again, options.shrinkMs);
		const { sequence, broke } = shrunk;
		found.set(broke.kind, {
			kind: broke.kind,
			message: broke.message,
			...(broke.disputed === undefined ? {} : { disputed: broke.disputed }),
			seed,
			runs: 1,
			steps: property.tell(sequence),
			reproducible: again !== undefined,
		});
		// Each further run would wait as long again.
		if (broke.kind.endsWith("-hangs")) failing = MOST_FAILING_RUNS;
	}
	return { runs, found: [...found.values()], lastSteps: runs === 0 ? [] : property.tell(drawn) };
}

interface Failure {
	readonly sequence: unknown;
	readonly broke: Break;
}

interface AttemptOptions {
	/** Shrinks to the smallest sequence that breaks in this kind, for so long. */
	readonly kind?: string;
	readonly shrinkMs?: number;
	/** Told of each sequence before it is carried out. */
	onDrawn?(sequence: unknown): void;
}

/** The sequence of the seed, or the smallest that breaks in the kind which is given. */
async function attempt(
	property: DriverProperty,
	subject: Subject,
	claimed: Claimed,
	seed: number,
	{ kind, shrinkMs, onDrawn }: AttemptOptions,
): Promise<Failure | undefined> {
	let last: Failure | undefined;
	let stray: { readonly error: unknown } | undefined;
	const predicate = async (sequence: unknown): Promise<void> => {
		if (stray !== undefined) return;
		onDrawn?.(sequence);
		try {
			await run(property, subject, claimed, sequence);
		} catch (error) {
			if (!(error instanceof Break)) {
				stray = { error };
				return;
			}
			if (kind !== undefined && error.kind !== kind) return;
			// Shrinking goes from failure to failure, so that the last is the smallest.
			last = { sequence, broke: error };
			throw error;
		}
	};
	await fc.check(fc.asyncProperty(property.draws(claimed), predicate), {
		seed,
		numRuns: 1,
		endOnFailure: kind === undefined,
		...(shrinkMs === undefined ? {} : { interruptAfterTimeLimit: shrinkMs }),
	});
	if (stray !== undefined) throw stray.error;
	return last;
}

/**
 * The failure without any step that it does not need: fast-check takes steps away from the front, and one behind the last that matters
 * may stay.
 */
async function dropped(
	property: DriverProperty,
	subject: Subject,
	claimed: Claimed,
	failure: Failure,
	budgetMs: number,
): Promise<Failure> {
	const endsAt = subject.time.now() + budgetMs;
	let smallest = failure;
	for (let at = stepsOf(failure.sequence).length - 1; at >= 0 && subject.time.now() < endsAt; at--) {
		const sequence = withoutStep(smallest.sequence, at);
		try {
			await run(property, subject, claimed, sequence);
		} catch (error) {
			if (!(error instanceof Break)) throw error;
			if (error.kind === failure.broke.kind) smallest = { sequence, broke: error };
		}
	}
	return smallest;
}

/** The steps that a sequence may do without: all of a list, or those of its `commands`. */
function stepsOf(sequence: unknown): readonly unknown[] {
	if (Array.isArray(sequence)) return sequence;
	const { commands } = (sequence ?? {}) as { readonly commands?: unknown };
	return Array.isArray(commands) ? commands : [];
}

function withoutStep(sequence: unknown, at: number): unknown {
	const steps = stepsOf(sequence).filter((_, i) => i !== at);
	return Array.isArray(sequence) ? steps : { ...(sequence as object), commands: steps };
}

async function run(property: DriverProperty, subject: Subject, claimed: Claimed, sequence: unknown): Promise<void> {
	const namespace = subject.newNamespace();
	const names = new Set<string>();
	const hosts: Host[] = [];
	const bench: Bench = {
		...claimed,
		async open(name) {
			const full = name === undefined ? namespace : `${namespace}-${name}`;
			names.add(full);
			const host = await Host.open(async () => subject.plugged.open(full), subject.limit);
			hosts.push(host);
			return host;
		},
		pause: () => subject.time.pause(),
	};
	try {
		await property.run(sequence, bench);
	} finally {
		// What goes wrong here is no answer to the question that was asked.
		for (const host of hosts) await host.end();
		for (const name of names) await subject.destroy(name);
	}
}
