/**
 * The reference engine as a module, with the exports of the published one: what a workflow is started with, and the handle by
 * which it is asked, stopped, cancelled, recovered. A handle at rest speaks to storage alone.
 */
import type * as Rivet from "@rivetkit/workflow-engine";
import type { EngineModule } from "../contract.ts";
import { boundaryOf, cutAt, finishCut, load } from "./cut.ts";
import { CriticalError, RollbackError } from "./errors.ts";
import { Execution, type Workflow } from "./execution.ts";
import { type Block, type EndState, type Entry, entriesOf, type Recorded } from "./history.ts";
import { batchesOf, type Io, type Storable } from "./journal.ts";
import { FIELDS, HISTORY, parseKey } from "./keys.ts";
import { type Rules, SPECIFICATION } from "./rules.ts";
import { decodeValue } from "./values.ts";

const Loop = {
	continue: <S>(state: S): { continue: true; state: S } => ({ continue: true, state }),
	break: <T>(value: T): { break: true; value: T } => ({ break: true, value }),
};

/** An engine that keeps to the rules, but for those that are left out. */
export function referenceModule(rules: Rules = SPECIFICATION): EngineModule {
	const module = {
		runWorkflow: (
			workflowId: string,
			workflow: Workflow,
			input: unknown,
			driver: Rivet.EngineDriver,
			options: Rivet.RunWorkflowOptions = {},
		) => new Handle(new Execution(workflowId, workflow, input, driver, options, rules), driver, rules),
		Loop,
		CriticalError,
		RollbackError,
		loadStorage: (driver: Rivet.EngineDriver) => loadStorage(driver, rules),
		replayWorkflowFromStep: (workflowId: string, driver: Rivet.EngineDriver, entryId?: string) =>
			replayFrom(workflowId, driver, entryId, rules),
	};
	return module as unknown as EngineModule;
}

const io: Io = (operation) => operation();

class Handle implements Rivet.WorkflowHandle<unknown> {
	readonly workflowId: string;
	readonly result: Promise<Rivet.WorkflowResult<unknown>>;
	readonly #execution: Execution;
	readonly #driver: Rivet.EngineDriver;
	readonly #rules: Rules;
	/** Whether the workflow was changed by this handle since its run ended. */
	#changed = false;

	constructor(execution: Execution, driver: Rivet.EngineDriver, rules: Rules) {
		this.workflowId = execution.workflowId;
		this.result = execution.result;
		this.#execution = execution;
		this.#driver = driver;
		this.#rules = rules;
	}

	async message(name: string, data: unknown): Promise<void> {
		await this.#driver.messageDriver.addMessage({ id: crypto.randomUUID(), name, data, sentAt: Date.now() });
	}

	async wake(): Promise<void> {
		await this.#driver.setAlarm(this.workflowId, Date.now());
	}

	evict(): void {
		this.#execution.evict();
	}

	/** @throws Error when the workflow has ended already. */
	async cancel(): Promise<void> {
		if (!this.#execution.ended) {
			this.#execution.evict();
			await this.result.catch(() => {});
		}
		const { state } = await this.#read();
		if (state === "completed" || state === "failed")
			throw new Error(`The workflow cannot be cancelled: it has ${state}`);
		if (this.#rules.cancelInMemory !== true) await this.#write([stateOf("cancelled")]);
		await this.#driver.clearAlarm(this.workflowId);
	}

	/** Has what failed the workflow, and what was undone for it, be done again. @throws Error when it has not failed. */
	async recover(): Promise<void> {
		const recorded = await this.#read();
		if (recorded.state !== "failed") throw new Error("Only a workflow that has failed can be recovered");
		const blame = new Set(this.#rules.recoverStateOnly === true ? [] : recorded.error?.blame);
		const changed: Storable[] = [];
		for (const entry of entriesOf(recorded.root)) {
			if (reset(entry, blame.has(entry.key), this.#rules)) changed.push(entry);
		}
		this.#changed = true;
		await this.#write([...changed, stateOf("pending")]);
		await this.wake();
	}

	async getState(): Promise<Rivet.WorkflowState> {
		const { ended, state: known } = this.#execution;
		// An end that this run came to is durable, and needs no look.
		if (!ended || (!this.#changed && (known === "completed" || known === "failed"))) return known;
		const { state, keys } = await this.#read();
		if (state !== undefined && state !== "pending") return state;
		return keys.size === 0 ? "pending" : "sleeping";
	}

	async getOutput(): Promise<unknown> {
		const { state, output } = await this.#read();
		return state === "completed" && output !== undefined ? decodeValue(output) : undefined;
	}

	async #read(): Promise<Recorded> {
		return load(await this.#driver.list(new Uint8Array()), this.#rules).recorded;
	}

	async #write(changed: readonly Storable[]): Promise<void> {
		for (const batch of batchesOf(changed).batches) await this.#driver.batch(batch);
	}
}

function stateOf(state: EndState): Storable {
	return { key: FIELDS.state, bytes: () => Buffer.from(state) };
}

/** @returns whether the entry has changed. */
function reset({ data }: Entry, isToBlame: boolean, rules: Rules): boolean {
	if (
		data.kind === "step" &&
		(data.undone === true || (data.status === "failed" && (isToBlame || rules.recoverEverything)))
	) {
		data.status = "pending";
		data.attempts = 0;
		for (const field of ["value", "error", "failure", "order", "undone", "undoAttempts", "undoError"] as const)
			delete data[field];
		return true;
	}
	if ((data.kind === "join" || data.kind === "race") && isToBlame) {
		data.done = false;
		for (const branch of data.branches) {
			if (branch.status !== "failed") continue;
			branch.status = "pending";
			delete branch.error;
		}
		return true;
	}
	return false;
}

type Stored = Awaited<ReturnType<NonNullable<EngineModule["loadStorage"]>>>;

/** The history as the published engine shows it: names by number, and places as lists of numbers. */
async function loadStorage(driver: Rivet.EngineDriver, rules: Rules): Promise<Stored> {
	const { recorded } = load(await driver.list(new Uint8Array()), rules);
	const names: string[] = [];
	const numberOf = (name: string): number => {
		const known = names.indexOf(name);
		return known < 0 ? names.push(name) - 1 : known;
	};
	const entries = new Map<string, Rivet.Entry>();
	const entryMetadata = new Map<string, Rivet.EntryMetadata>();
	const visit = (block: Block, around: Rivet.Location): void => {
		for (const entry of block.entries) {
			if (entry === undefined) continue;
			const location = [...around, numberOf(entry.name)];
			const { key, data, createdAt } = entry;
			if (entry.recorded) {
				entries.set(key, {
					id: key,
					location,
					kind: { type: data.kind, data } as unknown as Rivet.EntryKind,
					dirty: false,
				});
				entryMetadata.set(key, metadataOf(entry, createdAt));
			}
			for (const inner of entry.blocks.values()) {
				const last = parseKey(inner.key)?.at(-1);
				if (last?.sort === "iteration") {
					visit(inner, [
						...location.slice(0, -1),
						location.at(-1) as number,
						{ loop: numberOf(entry.name), iteration: last.number },
					]);
				} else visit(inner, data.kind === "try" ? location : [...location, numberOf(last?.name ?? "")]);
			}
		}
	};
	visit(recorded.root, []);
	return {
		nameRegistry: names,
		flushedNameCount: names.length,
		history: { entries },
		entryMetadata,
		state: recorded.state ?? "sleeping",
	} as Stored;
}

function metadataOf({ data }: Entry, createdAt: number): Rivet.EntryMetadata {
	const { status, attempts } = data as Partial<{ status: Rivet.EntryStatus; attempts: number }>;
	return { status: status ?? "completed", attempts: attempts ?? 0, lastAttemptAt: createdAt, createdAt, dirty: false };
}

/** @param entryId the step to begin at; the whole workflow when absent. @throws Error when there is no such step. */
async function replayFrom(
	workflowId: string,
	driver: Rivet.EngineDriver,
	entryId: string | undefined,
	rules: Rules,
): Promise<Rivet.WorkflowHistorySnapshot> {
	const { recorded } = load(await driver.list(new Uint8Array()), rules);
	if (recorded.state === "cancelled") throw new Error("A cancelled workflow is not replayed");
	const target = [...entriesOf(recorded.root)].find(({ key, data }) => key === entryId && data.kind === "step");
	if (entryId !== undefined && target === undefined) throw new Error("There is no such step to replay from");
	const place = target === undefined ? HISTORY : boundaryOf(target.key);
	if (rules.cutUnannounced !== true) await driver.batch(batchesOf([cutAt(place)]).batches[0] ?? []);
	await driver.setAlarm(workflowId, Date.now());
	const { cut } = load(await driver.list(new Uint8Array()), rules, place);
	if (cut !== undefined) await finishCut(io, driver, cut);
	return { nameRegistry: [], entries: [], entryMetadata: new Map() };
}
