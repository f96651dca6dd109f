/** Operations on the engine's keys as data: drawn, told in words, carried out on a driver and on the model. */
import type { KVWrite } from "@rivetkit/workflow-engine";
import * as fc from "fast-check";
import { keys, prefixes, values } from "./draws.ts";
import type { Host } from "./host.ts";
import { type ByteMap, startsWith } from "./model.ts";
import { bytesText, counted, prefixText, valueText } from "./tell.ts";

/** What changes a namespace. */
export type Change =
	| { readonly op: "set"; readonly key: Uint8Array; readonly value: Uint8Array }
	| { readonly op: "delete"; readonly key: Uint8Array }
	| { readonly op: "batch"; readonly writes: readonly KVWrite[] }
	| { readonly op: "batchDelete"; readonly keys: readonly Uint8Array[] }
	| { readonly op: "deletePrefix"; readonly prefix: Uint8Array }
	| { readonly op: "deleteRange"; readonly start: Uint8Array; readonly end: Uint8Array };

export type Command =
	| Change
	| { readonly op: "get"; readonly key: Uint8Array }
	| { readonly op: "list"; readonly prefix: Uint8Array }
	/** Closes the namespace and opens it anew. */
	| { readonly op: "reopen" }
	/** Begins to close it, sets a key before that has ended, and opens it anew. */
	| { readonly op: "late-set"; readonly key: Uint8Array; readonly value: Uint8Array };

const drawn = {
	get: fc.record({ op: fc.constant("get" as const), key: keys }),
	set: fc.record({ op: fc.constant("set" as const), key: keys, value: values }),
	delete: fc.record({ op: fc.constant("delete" as const), key: keys }),
	batch: fc.record({
		op: fc.constant("batch" as const),
		writes: fc.array(fc.record({ key: keys, value: values }), { maxLength: 6 }),
	}),
	batchDelete: fc.record({ op: fc.constant("batchDelete" as const), keys: fc.array(keys, { maxLength: 5 }) }),
	deletePrefix: fc.record({ op: fc.constant("deletePrefix" as const), prefix: prefixes }),
	deleteRange: fc.record({ op: fc.constant("deleteRange" as const), start: prefixes, end: prefixes }),
	list: fc.record({ op: fc.constant("list" as const), prefix: prefixes }),
	reopen: fc.record({ op: fc.constant("reopen" as const) }),
	"late-set": fc.record({ op: fc.constant("late-set" as const), key: keys, value: values }),
};

/** Sequences of the operations named, each as often as its weight says. */
export function commands(
	weights: Partial<Record<Command["op"], number>>,
	{ maxLength = 24 }: { readonly maxLength?: number } = {},
): fc.Arbitrary<Command[]> {
	const choices = Object.entries(weights).map(([op, weight]) => ({
		weight,
		arbitrary: drawn[op as Command["op"]] as fc.Arbitrary<Command>,
	}));
	return fc.array(fc.oneof(...choices), { minLength: 1, maxLength, size: "max" });
}

/** One change, on the driver. */
export async function change(host: Host, command: Change): Promise<void> {
	switch (command.op) {
		case "set":
			return host.set(command.key, command.value);
		case "delete":
			return host.delete(command.key);
		case "batch":
			return host.batch([...command.writes]);
		case "batchDelete":
			return host.batchDelete([...command.keys]);
		case "deletePrefix":
			return host.deletePrefix(command.prefix);
		case "deleteRange":
			return host.deleteRange(command.start, command.end);
	}
}

/** One change, on the model. */
export function apply(model: ByteMap, command: Change): void {
	if (command.op === "set") model.set(command.key, command.value);
	else if (command.op === "delete") model.delete(command.key);
	else if (command.op === "batch") for (const { key, value } of command.writes) model.set(key, value);
	else if (command.op === "batchDelete") for (const key of command.keys) model.delete(key);
	else if (command.op === "deletePrefix") model.deleteWhere((key) => startsWith(key, command.prefix));
	else model.deleteWhere((key) => within(key, command.start, command.end));
}

/** Whether a key lies in the half-open range. */
export function within(key: Uint8Array, start: Uint8Array, end: Uint8Array): boolean {
	return Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0;
}

const READS_AND_LIVES: ReadonlySet<Command["op"]> = new Set(["get", "list", "reopen", "late-set"]);

export function isChange(command: Command): command is Change {
	return !READS_AND_LIVES.has(command.op);
}

export function tellCommand(command: Command): string {
	switch (command.op) {
		case "get":
		case "delete":
			return `${command.op} ${bytesText(command.key)}`;
		case "set":
			return `set ${bytesText(command.key)} to ${valueText(command.value)}`;
		case "batch": {
			const writes = command.writes.map(({ key, value }) => `${bytesText(key)} to ${valueText(value)}`);
			return `batch of ${counted(writes.length, "write")}${writes.length === 0 ? "" : `: ${writes.join(", ")}`}`;
		}
		case "batchDelete":
			return `batchDelete ${command.keys.map(bytesText).join(", ") || "of no keys"}`;
		case "list":
		case "deletePrefix":
			return `${command.op} of ${prefixText(command.prefix)}`;
		case "deleteRange":
			return `deleteRange from ${bytesText(command.start)} to ${bytesText(command.end)}`;
		case "reopen":
			return "close, and open anew";
		case "late-set":
			return `begin to close, set ${bytesText(command.key)} to ${valueText(command.value)}, and open anew`;
	}
}
