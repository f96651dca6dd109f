/**
 * The context that a program is given: one for each block. Entries of a block are numbered in the order in which the program
 * asks for them, and the history has the same numbers; what differs in name or kind is another program.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import { joinBranches, raceBranches } from "./branches.ts";
import {
	DurationError,
	EntryInProgressError,
	HistoryDivergedError,
	originOf,
	RollbackCheckpointError,
} from "./errors.ts";
import { type Execution, HALT } from "./execution.ts";
import { type Block, type DataOf, Entry, type EntryData } from "./history.ts";
import { describeKey, entryKey } from "./keys.ts";
import { runLoop } from "./loop.ts";
import { receive, send } from "./queue.ts";
import type { Strand } from "./run.ts";
import { checkedMs, runStep } from "./step.ts";

/** Where a block stands. */
export interface Scope {
	readonly execution: Execution;
	readonly strand: Strand;
	readonly block: Block;
	/** Of a loop. */
	readonly iteration?: number | undefined;
	/** Whether another branch may beat it, and take back what it does. */
	readonly inRace: boolean;
	/** Whether a checkpoint was set here or around. */
	readonly checkpoint: boolean;
}

const STEP_FAILURES: readonly Rivet.TryStepCatchKind[] = ["critical", "timeout", "exhausted"];
const BLOCK_FAILURES: readonly Rivet.TryBlockCatchKind[] = ["step", "join", "race"];

export class Context implements Rivet.WorkflowContextInterface {
	readonly workflowId: string;
	readonly abortSignal: AbortSignal;
	readonly queue: Rivet.WorkflowQueue;
	readonly iteration: number | undefined;
	readonly scope: Scope;
	#next = 0;
	#busy = false;
	#checkpoint: boolean;

	constructor(scope: Scope) {
		const { execution, iteration } = scope;
		this.scope = scope;
		this.workflowId = execution.workflowId;
		this.abortSignal = execution.run.abort.signal;
		this.iteration = iteration;
		this.#checkpoint = scope.checkpoint;
		this.queue = {
			next: (name, options) =>
				this.#operation(async () => {
					const [message] = await receive(this, name, 1, options);
					if (message === undefined)
						throw new Error(`queue.next("${name}") ran out of time; nextBatch may return none`);
					return message as never;
				}),
			nextBatch: (name, options) =>
				this.#operation(() => receive(this, name, options?.count ?? 1, options) as Promise<never[]>),
			send: (name, body) => this.#operation(() => send(this, name, body)),
		};
	}

	isEvicted(): boolean {
		return this.abortSignal.aborted;
	}

	/** A context for a block inside. */
	inside(block: Block, more: Partial<Scope> = {}): Context {
		return new Context({ ...this.scope, checkpoint: this.#checkpoint, iteration: undefined, block, ...more });
	}

	/** The entry that comes next: as recorded, or a new one. It is on record once it was told to `record`. */
	enter<K extends EntryData["kind"]>(kind: K, name: string, fresh: () => DataOf<K>): Entry<DataOf<K>> {
		const { execution, block } = this.scope;
		const number = this.#next++;
		const found = block.entries[number];
		if (found?.recorded === true) {
			const { rules } = execution.run;
			const other = found.data.kind !== kind ? rules.acceptOtherKind !== true : false;
			const renamed = found.name !== name && rules.acceptOtherName !== true;
			const nested = rules.acceptOtherNested === true && block !== execution.recorded.root;
			if ((other || renamed) && !nested) {
				throw this.#diverged(found, kind, name);
			}
			if (found.data.kind === kind) return found as Entry<DataOf<K>>;
		}
		const entry = new Entry<DataOf<K>>(entryKey(block.key, number, name), name, fresh(), Date.now());
		if (found !== undefined) for (const [key, inner] of found.blocks) entry.blocks.set(key, inner);
		block.entries[number] = entry as Entry;
		return entry;
	}

	/** When something of this block was completed, among all that may be undone. */
	order(): number {
		const { execution, block } = this.scope;
		return execution.nextOrder(block.entries.slice(this.#next));
	}

	#diverged(found: Entry, kind: string, name: string): object {
		const { kind: recorded } = found.data;
		return this.scope.execution.refuse(
			new HistoryDivergedError(
				`History has ${recorded} "${found.name}" where the code asks for ${kind} "${name}", in ${describeKey(found.key)}`,
			),
		);
	}

	/** Has the entry on record with the next flush. */
	record(entry: Entry<never> | Entry): void {
		if (this.scope.execution.rehearsing) return;
		entry.recorded = true;
		this.scope.execution.journal.change(entry);
	}

	async flush(): Promise<void> {
		const { execution, strand } = this.scope;
		await strand.until(execution.journal.flush());
	}

	io<T>(operation: () => Promise<T>): Promise<T> {
		const { execution, strand } = this.scope;
		return strand.until(execution.run.io(operation));
	}

	/** To be called at the end of a block: nothing may be on record behind what the code asked for. */
	close(): void {
		const { execution, block } = this.scope;
		const { rules } = execution.run;
		if (execution.rehearsing || rules.acceptRemoved === true) return;
		const left = block.entries.slice(this.#next).find((entry) => entry?.recorded === true);
		if (left === undefined) return;
		throw execution.refuse(
			new HistoryDivergedError(
				`History has ${left.data.kind} "${left.name}" where the code has come to an end, in ${describeKey(left.key)}`,
			),
		);
	}

	/** Runs a block of the program to its end. */
	async carryOut<T>(run: (context: Context) => Promise<T>): Promise<T> {
		const { strand } = this.scope;
		try {
			return await strand.until((async () => run(this))());
		} finally {
			this.close();
		}
	}

	step<T>(nameOrConfig: string | Rivet.StepConfig<T>, run?: () => Promise<T>): Promise<T> {
		return this.#operation(async () => this.#step(configOf<T, Rivet.StepConfig<T>>(nameOrConfig, run)));
	}

	async #step<T>(config: Rivet.StepConfig<T>): Promise<T> {
		const { execution } = this.scope;
		const refuses = config.rollback !== undefined && !this.#checkpoint && execution.run.rules.needNoCheckpoint !== true;
		if (refuses) throw execution.mistake(new RollbackCheckpointError(), this.scope);
		return (await runStep(this, config as Rivet.StepConfig<unknown>)) as T;
	}

	tryStep<T>(nameOrConfig: string | Rivet.TryStepConfig<T>, run?: () => Promise<T>): Promise<Rivet.TryStepResult<T>> {
		return this.#operation(async (): Promise<Rivet.TryStepResult<T>> => {
			const config = configOf<T, Rivet.TryStepConfig<T>>(nameOrConfig, run);
			try {
				return { ok: true, value: await this.#step(config) };
			} catch (error) {
				const failure = originOf(error)?.step;
				const { rules } = this.scope.execution.run;
				const listed = config.catch ?? STEP_FAILURES;
				if (failure !== undefined && (listed.includes(failure.kind) || rules.catchUnlisted === true)) {
					return { ok: false, failure };
				}
				throw error;
			}
		});
	}

	try<T>(
		nameOrConfig: string | Rivet.TryBlockConfig<T>,
		run?: (context: Rivet.WorkflowContextInterface) => Promise<T>,
	): Promise<Rivet.TryBlockResult<T>> {
		return this.#operation(async (): Promise<Rivet.TryBlockResult<T>> => {
			const config = typeof nameOrConfig === "string" ? { name: nameOrConfig, run: run as never } : nameOrConfig;
			const entry = this.enter("try", config.name, () => ({ kind: "try" }));
			if (!entry.recorded) this.record(entry);
			try {
				return { ok: true, value: await this.inside(entry.branch(0, "")).carryOut(config.run) };
			} catch (error) {
				const failure = caughtBy((config as Rivet.TryBlockConfig<T>).catch ?? BLOCK_FAILURES, error, config.name);
				if (failure === undefined) throw error;
				return { ok: false, failure };
			}
		});
	}

	loop<S, T>(nameOrConfig: string | Rivet.LoopConfig<S, T>, run?: unknown): Promise<T> {
		const config =
			typeof nameOrConfig === "string" ? ({ name: nameOrConfig, run } as Rivet.LoopConfig<S, T>) : nameOrConfig;
		return this.#operation(() => runLoop(this, config as Rivet.LoopConfig<unknown, T>));
	}

	sleep(name: string, durationMs: number): Promise<void> {
		return this.#operation(() => this.#sleep(name, durationMs, Date.now() + durationMs));
	}

	sleepUntil(name: string, timestampMs: number): Promise<void> {
		return this.#operation(() => this.#sleep(name, timestampMs, timestampMs));
	}

	async #sleep(name: string, asked: number, deadline: number): Promise<void> {
		const { execution, strand } = this.scope;
		const { run } = execution;
		const entry = this.enter("sleep", name, () => ({ kind: "sleep", deadline, done: false }));
		const { data } = entry;
		if (data.done) return;
		execution.onlyForReal();
		if (!entry.recorded && (Number.isNaN(asked) || asked === Number.POSITIVE_INFINITY)) {
			throw execution.mistake(new DurationError(`sleep "${name}"`, asked), this.scope);
		}
		if (Date.now() < data.deadline) {
			if (run.rules.moveDeadlines === true) data.deadline = deadline;
			// The deadline is durable before the wait begins: no restart moves it.
			if (!entry.recorded) {
				this.record(entry);
				if (run.rules.sleepBeforeRecord !== true) await this.flush();
			}
			while (Date.now() < data.deadline) await run.wait(strand, { deadline: data.deadline });
		}
		data.done = true;
		this.record(entry);
	}

	rollbackCheckpoint(name: string): Promise<void> {
		return this.#operation(async () => {
			const { execution } = this.scope;
			const entry = this.enter("rollback_checkpoint", name, () => ({ kind: "rollback_checkpoint", order: 0 }));
			if (!entry.recorded) {
				execution.onlyForReal();
				entry.data.order = this.order();
				this.record(entry);
			}
			this.#checkpoint = true;
		});
	}

	join<T extends Record<string, Rivet.BranchConfig<unknown>>>(
		name: string,
		branches: T,
	): Promise<{ [K in keyof T]: Rivet.BranchOutput<T[K]> }> {
		return this.#operation(() => joinBranches(this, name, Object.entries(branches)) as Promise<never>);
	}

	race<T>(
		name: string,
		branches: Array<{ name: string; run: (context: Rivet.WorkflowContextInterface) => Promise<T> }>,
	): Promise<{ winner: string; value: T }> {
		const entrants = branches.map((branch) => [branch.name, branch] as const);
		return this.#operation(() => raceBranches(this, name, entrants) as Promise<never>);
	}

	/** Steps over what an earlier release recorded here; a history that never had it is left as it is. */
	removed(name: string, originalType: Rivet.EntryKindType): Promise<void> {
		return this.#operation(async () => {
			const { block, execution } = this.scope;
			const found = block.entries[this.#next];
			if (found?.recorded !== true || execution.run.rules.ignoreRemoved === true) return;
			if (found.data.kind === originalType && found.name === name) this.#next++;
		});
	}

	/** Where the history goes on without this place, the instance is older than it, and stays with version 1. */
	getVersion(name: string, latest: number): Promise<number> {
		return this.#operation(async () => {
			const { block, execution } = this.scope;
			if (!Number.isInteger(latest) || latest < 1) {
				throw execution.mistake(new RangeError(`getVersion "${name}": ${latest} is no version`), this.scope);
			}
			const found = block.entries[this.#next];
			const isIts = found?.recorded === true && found.data.kind === "version_check" && found.name === name;
			if (found?.recorded === true && !isIts) {
				const later = block.entries.find((other) => other?.data.kind === "version_check" && other.name === name);
				if (later?.recorded === true) throw this.#diverged(found, "version_check", name);
				return 1;
			}
			const entry = this.enter("version_check", name, () => ({ kind: "version_check", resolved: latest, latest }));
			if (!entry.recorded) {
				execution.onlyForReal();
				this.record(entry);
				// The program goes one way or the other from here: durable before it does.
				if (execution.run.rules.versionBeforeRecord !== true) await this.flush();
			}
			return execution.run.rules.versionAnew === true ? latest : entry.data.resolved;
		});
	}

	/** One entry of a block at a time. What halts a run never settles. */
	#operation<T>(work: () => Promise<T>): Promise<T> {
		const { execution, strand } = this.scope;
		if (!strand.alive) return new Promise(() => {});
		if (this.#busy && execution.run.rules.overlapEntries !== true) return Promise.reject(new EntryInProgressError());
		this.#busy = true;
		return new Promise((resolve, reject) => {
			work().then(
				(value) => {
					this.#busy = false;
					if (strand.alive) resolve(value);
				},
				(error) => {
					if (error === HALT) return;
					this.#busy = false;
					if (strand.alive) reject(error);
				},
			);
		});
	}
}

function configOf<T, C extends Rivet.StepConfig<T>>(nameOrConfig: string | C, run: (() => Promise<T>) | undefined): C {
	const config = typeof nameOrConfig === "string" ? ({ name: nameOrConfig, run } as unknown as C) : nameOrConfig;
	checkedMs(config.timeout, `the timeout of step "${config.name}"`);
	return config;
}

/** What a block that catches takes a failure for; undefined for what it does not list, and for errors of the program itself. */
function caughtBy(
	listed: readonly Rivet.TryBlockCatchKind[],
	error: unknown,
	block: string,
): Rivet.TryBlockFailure | undefined {
	const origin = originOf(error);
	const { name, message } = error as Error;
	const isRollback = error instanceof Error && name === "RollbackError";
	if (isRollback ? !listed.includes("rollback") : origin === undefined || !listed.includes(origin.source)) {
		return undefined;
	}
	return {
		source: origin?.source ?? "block",
		name: origin?.name ?? block,
		error: { name, message },
		...(origin?.step === undefined ? {} : { step: origin.step }),
	};
}
