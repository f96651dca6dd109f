/** Overlapping operations: several clients on a few keys, whose answers must fit some order of them. */
import * as fc from "fast-check";
import { type Change, type Command, change, isChange, tellCommand, within } from "./commands.ts";
import type { Host } from "./host.ts";
import { linearize, type Operation, type State } from "./linearizable.ts";
import { startsWith } from "./model.ts";
import { Break, type Claimed, driverProperty } from "./property.ts";
import { counted } from "./tell.ts";

interface Overlap {
	/** What each client does, one after the other; the clients all begin at once. */
	readonly clients: readonly (readonly Command[])[];
}

const KEYS = [Uint8Array.of(0x61), Uint8Array.of(0x61, 0x62), Uint8Array.of(0x63)];
const END = Uint8Array.of(0x64);
const EVERYTHING = new Uint8Array();
const key = fc.constantFrom(...KEYS);
const value = fc.integer({ min: 1, max: 99 }).map((n) => Uint8Array.of(n));
const sameOp = <const Op extends string>(op: Op) => fc.constant(op);

const command: fc.Arbitrary<Command> = fc.oneof(
	{ weight: 4, arbitrary: fc.record({ op: sameOp("set"), key, value }) },
	{ weight: 3, arbitrary: fc.record({ op: sameOp("get"), key }) },
	{ weight: 2, arbitrary: fc.record({ op: sameOp("list"), prefix: fc.constantFrom(EVERYTHING, ...KEYS) }) },
	{ weight: 1, arbitrary: fc.record({ op: sameOp("delete"), key }) },
	{
		weight: 2,
		arbitrary: fc.record({
			op: sameOp("batch"),
			writes: fc.array(fc.record({ key, value }), { minLength: 2, maxLength: 3 }),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({ op: sameOp("batchDelete"), keys: fc.array(key, { minLength: 2, maxLength: 3 }) }),
	},
	{ weight: 1, arbitrary: fc.record({ op: sameOp("deletePrefix"), prefix: fc.constantFrom(EVERYTHING, ...KEYS) }) },
	{ weight: 1, arbitrary: fc.record({ op: sameOp("deleteRange"), start: key, end: fc.constantFrom(...KEYS, END) }) },
);

function manyProcesses({ claims }: Claimed): boolean {
	return claims.concurrency === "many-processes";
}

export const concurrent = driverProperty<Overlap>({
	id: "storage.concurrent",
	claim: "Overlapping operations are linearizable: their answers fit some order of them.",
	source: "engine: flush (deletions side by side), EngineDriver",
	mutants: ["writes-back-what-it-read", "lists-in-two-parts", "reads-from-a-cache"],
	uses: ["get", "set", "delete", "batch", "batchDelete", "deletePrefix", "deleteRange", "list"],
	unclaimed: (claimed) =>
		manyProcesses(claimed) ? [] : ["a namespace opened twice at a time: concurrency is one-process"],
	draws: () =>
		fc.record({
			clients: fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 }),
		}),
	async run({ clients }, bench) {
		const first = await bench.open();
		const second = manyProcesses(bench) ? await bench.open() : first;
		const recorder = new Recorder(bench.claims.atomicBatch !== "none");
		const seeded: Command = { op: "batch", writes: KEYS.slice(0, 2).map((key) => ({ key, value: Uint8Array.of(0) })) };
		await recorder.carryOut(first, seeded);
		await Promise.all(
			clients.map(async (commands, i) => {
				for (const command of commands) await recorder.carryOut(i % 2 === 0 ? first : second, command);
			}),
		);
		for (const key of KEYS) await recorder.carryOut(second, { op: "get", key });
		await recorder.carryOut(first, { op: "list", prefix: EVERYTHING });
		recorder.judge();
	},
	tell: ({ clients }) => [
		'batch of 2 writes: "a" to 0x00, "ab" to 0x00',
		`${counted(clients.length, "client")} at once:`,
		...clients.map((commands, i) => `  ${i + 1}: ${commands.map(tellCommand).join("; ")}`),
		"get each key, and list everything",
	],
});

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Carries commands out and keeps when each was called and answered, and what came. */
class Recorder {
	readonly #wholeBatches: boolean;
	readonly #operations: (Operation & { readonly about: string; readonly parts?: readonly Operation[] })[] = [];
	#now = 0;

	constructor(wholeBatches: boolean) {
		this.#wholeBatches = wholeBatches;
	}

	async carryOut(host: Host, command: Command): Promise<void> {
		const calledAt = this.#now++;
		const step = isChange(command) ? await this.#changed(host, command) : await this.#read(host, command);
		const answeredAt = this.#now++;
		this.#operations.push({
			about: command.op,
			calledAt,
			answeredAt,
			step,
			...(isChange(command) ? { parts: parts(command).map((step) => ({ calledAt, answeredAt, step })) } : {}),
		});
	}

	async #changed(host: Host, command: Change): Promise<Operation["step"]> {
		await change(host, command);
		const steps = parts(command);
		return (state) => steps.reduce<State | undefined>((before, step) => before && step(before), state);
	}

	async #read(host: Host, command: Command): Promise<Operation["step"]> {
		if (command.op === "get") {
			const read = (await host.get(command.key)) ?? null;
			const [name, seen] = [textOf(command.key), read === null ? undefined : textOf(read)];
			return (state) => (state.get(name) === seen ? state : undefined);
		}
		if (command.op !== "list") return (state) => state;
		const { prefix } = command;
		const seen = (await host.list(prefix)).map(({ key, value }) => `${textOf(key)} ${textOf(value)}`).join();
		const begin = textOf(prefix);
		return (state) => {
			const entries = [...state].filter(([name]) => name.startsWith(begin)).sort(([a], [b]) => (a < b ? -1 : 1));
			return entries.map(([name, value]) => `${name} ${value}`).join() === seen ? state : undefined;
		};
	}

	/** @throws Break when no order of the operations gives these answers. */
	judge(): void {
		const divided = () => this.#operations.flatMap((operation): Operation[] => [...(operation.parts ?? [operation])]);
		const operations = this.#wholeBatches ? this.#operations : divided();
		if (linearize(operations, new Map()).length > 0) return;
		const told = `${counted(this.#operations.length, "operation")} gave answers that fit no order of them`;
		if (this.#wholeBatches && linearize(divided(), new Map()).length > 0) {
			throw new Break("batch-not-at-one-instant", `${told}, unless batches and removals are taken apart`);
		}
		const withoutLists = this.#operations.filter(({ about }) => about !== "list");
		if (linearize(withoutLists, new Map()).length > 0)
			throw new Break("list-not-at-one-instant", `${told}: a list is wrong`);
		throw new Break("not-linearizable", told);
	}
}

/** A change as steps of one key each, in the order in which the last for a key wins. */
function parts(command: Change): Operation["step"][] {
	const set = (key: Uint8Array, value: Uint8Array) => (state: State) => new Map(state).set(textOf(key), textOf(value));
	const remove = (key: Uint8Array) => (state: State) => {
		const next = new Map(state);
		next.delete(textOf(key));
		return next;
	};
	const removeWhere = (fits: (key: Uint8Array) => boolean) => KEYS.filter(fits).map(remove);
	switch (command.op) {
		case "set":
			return [set(command.key, command.value)];
		case "delete":
			return [remove(command.key)];
		case "batch": {
			const last = new Map(command.writes.map(({ key, value }) => [textOf(key), set(key, value)]));
			return [...last.values()];
		}
		case "batchDelete":
			return command.keys.map(remove);
		case "deletePrefix":
			return removeWhere((key) => startsWith(key, command.prefix));
		case "deleteRange":
			return removeWhere((key) => within(key, command.start, command.end));
	}
}
