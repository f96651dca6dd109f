/** Indices where they end: a generation never runs out of them, and none is used twice within one. */
import { describe, expect, it } from "vitest";
import { type ServerEvents, type Transaction, USUAL_THRESHOLDS } from "../../drivers/runner/contract.ts";
import {
	type ActorRecord,
	actorKey,
	type CommandRecord,
	newActorRecord,
	runnerKey,
} from "../../drivers/runner/server/records.ts";
import { Workflow } from "../../drivers/runner/server/workflow.ts";

const RUNNER = { runnerId: "r", identity: "i", name: "pool", version: 1, totalSlots: 9, draining: false };

/** A transaction over a map, and the commands that it stored. */
class Kept implements Transaction {
	readonly entries = new Map<string, unknown>();

	get<V>(key: string): V | undefined {
		return this.entries.get(key) as V | undefined;
	}

	list<V>(prefix: string): { readonly key: string; readonly value: V }[] {
		const found = [...this.entries].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
		return found.map(([key, value]) => ({ key, value: value as V }));
	}

	set(key: string, value: unknown): void {
		this.entries.set(key, value);
	}

	delete(key: string): void {
		this.entries.delete(key);
	}

	note<K extends keyof ServerEvents>(_kind: K, _data: ServerEvents[K]): void {}

	afterCommit(work: () => void): void {
		work();
	}
}

/** The indices of a start and a stop of an actor whose next command has that index. */
function issuedFrom(nextIndex: number): number[] {
	const issued: CommandRecord[] = [];
	const transaction = new Kept();
	const record: ActorRecord = {
		...newActorRecord(
			{ actorId: "a", name: "actor", key: null, input: null, crashPolicy: "restart", runnerName: "pool" },
			0,
		),
		nextIndex,
	};
	transaction.set(runnerKey("r"), RUNNER);
	transaction.set(actorKey("a"), record);
	const workflow = new Workflow(transaction, {
		...{ rules: {}, thresholds: USUAL_THRESHOLDS, connected: () => ["r"] },
		issued: (command) => issued.push(command),
		postponed: () => undefined,
		due: () => undefined,
	});
	workflow.allocateAll();
	workflow.destroy(workflow.actor("a") as ActorRecord);
	return issued.map(({ index }) => index);
}

describe("indices of commands", () => {
	it.each([
		["at the beginning", 0, [0, 1]],
		["on from the generations before", 41, [41, 42]],
		[
			"as far as they go",
			Number.MAX_SAFE_INTEGER - 2 ** 20,
			[Number.MAX_SAFE_INTEGER - 2 ** 20, Number.MAX_SAFE_INTEGER - 2 ** 20 + 1],
		],
		["anew where a generation might run out of them", Number.MAX_SAFE_INTEGER - 3, [0, 1]],
		["anew behind the last", Number.MAX_SAFE_INTEGER, [0, 1]],
	])("go %s", (_how, next, indices) => {
		expect(issuedFrom(next)).toEqual(indices);
	});
});
