/** The queue of messages: order, filter, count, completion, and waits that end as they should and leave nothing behind. */
import { getEventListeners } from "node:events";
import type { Message } from "@rivetkit/workflow-engine";
import * as fc from "fast-check";
import type { Host } from "./host.ts";
import { type Bench, Break, type Claimed, driverProperty } from "./property.ts";
import { counted } from "./tell.ts";

type MessageCommand =
	| { readonly op: "add"; readonly name: string; readonly data: unknown }
	/** Several at once, whose order is then whatever it comes to. */
	| { readonly op: "add-at-once"; readonly names: readonly string[] }
	| { readonly op: "receive"; readonly names: readonly string[]; readonly count: number }
	/** Two at once, that ask for one message each. */
	| { readonly op: "receive-at-once"; readonly names: readonly string[] }
	/** To be completed: received, received again as by a new process, and completed in one of two ways. */
	| { readonly op: "complete"; readonly names: readonly string[]; readonly by: "message" | "driver" }
	| { readonly op: "complete-unknown" }
	| { readonly op: "wait"; readonly names: readonly string[]; readonly end: "message" | "other" | "abort" | "aborted" }
	| { readonly op: "reopen" };

const NAMES = ["a", "b", "a/b", "ü"] as const;
const name = fc.constantFrom(...NAMES);
/** Empty means any name. */
const names = fc.oneof(
	{ weight: 2, arbitrary: fc.constant([]) },
	{ weight: 3, arbitrary: fc.uniqueArray(name, { minLength: 1, maxLength: 2 }) },
);
/** What any encoding keeps: values that do not are a matter of the engine's own properties. */
const data = fc.oneof(
	fc.integer({ min: -9, max: 9 }),
	fc.constantFrom("", "text", "\u{1f600}", true, null, [1, [2]], { a: { b: [] } }),
);
const only = <const Op extends string>(op: Op) => fc.constant(op);

function kept({ claims, single }: Claimed): boolean {
	return claims.messages === "durable" && !single;
}

export const messages = driverProperty<MessageCommand[]>({
	id: "storage.messages",
	claim:
		"Messages keep order, filter and count; one to be completed stays until it is; waits end when they should, and clean.",
	source: "types: WorkflowMessageDriver; engine: EngineDriver.waitForMessages",
	mutants: [
		"delivers-twice",
		"delivers-last-first",
		"ignores-names",
		"takes-completable",
		"misses-wakes",
		"leaves-listeners",
		"forgets-messages-at-close",
		"loses-overlapping-adds",
	],
	uses: ["addMessage", "receiveMessages", "completeMessage", "waitForMessages"],
	skips: ({ claims }) => (claims.messages === "none" ? "messages are not claimed" : undefined),
	unclaimed: (claimed) =>
		kept(claimed)
			? []
			: [`messages after a close: messages are ${claimed.single ? "of one object" : claimed.claims.messages}`],
	draws: (claimed) =>
		fc.array(
			fc.oneof(
				{ weight: 6, arbitrary: fc.record({ op: only("add"), name, data }) },
				{
					weight: 1,
					arbitrary: fc.record({ op: only("add-at-once"), names: fc.array(name, { minLength: 2, maxLength: 3 }) }),
				},
				{ weight: 3, arbitrary: fc.record({ op: only("receive"), names, count: fc.integer({ min: 1, max: 4 }) }) },
				{ weight: 1, arbitrary: fc.record({ op: only("receive-at-once"), names }) },
				{
					weight: 2,
					arbitrary: fc.record({
						op: only("complete"),
						names,
						by: fc.constantFrom("message" as const, "driver" as const),
					}),
				},
				{ weight: 1, arbitrary: fc.record({ op: only("complete-unknown") }) },
				{
					weight: 2,
					arbitrary: fc.record({
						op: only("wait"),
						names,
						end: fc.constantFrom("message" as const, "other" as const, "abort" as const, "aborted" as const),
					}),
				},
				...(kept(claimed) ? [{ weight: 2, arbitrary: fc.record({ op: only("reopen") }) }] : []),
			),
			{ minLength: 1, maxLength: 14, size: "max" },
		),
	async run(sequence, bench) {
		const queue = new Queue(await bench.open(), bench);
		for (const command of sequence) await queue.carryOut(command);
		await queue.end();
	},
	tell: (sequence) => [...sequence.map(tellMessageCommand), "receive what is left"],
});

function tellMessageCommand(command: MessageCommand): string {
	const of = "names" in command && command.names.length > 0 ? ` of ${command.names.join(" or ")}` : "";
	switch (command.op) {
		case "add":
			return `add ${command.name} with ${JSON.stringify(command.data)}`;
		case "add-at-once":
			return `add ${command.names.join(", ")} at once`;
		case "receive":
			return `receive up to ${command.count}${of}`;
		case "receive-at-once":
			return `receive one${of}, twice at once`;
		case "complete":
			return `receive one${of} to complete, again, and complete it by ${command.by === "message" ? "its complete()" : "completeMessage"}`;
		case "complete-unknown":
			return "complete a message that is not there";
		case "wait": {
			const end = {
				message: "until one is added",
				other: "while another is added, and abort",
				abort: "and abort",
				aborted: "with a signal that is aborted",
			};
			return `wait for a message${of} ${end[command.end]}`;
		}
		case "reopen":
			return "close, and open anew";
	}
}

type Added = Pick<Message, "id" | "name" | "data" | "sentAt">;
/** More than any sequence adds. */
const ALL = 1_000;

/** The driver's queue beside the list that it must be. */
class Queue {
	readonly #host: Host;
	readonly #bench: Bench;
	#model: Added[] = [];
	#taken = new Set<string>();
	#next = 1;

	constructor(host: Host, bench: Bench) {
		this.#host = host;
		this.#bench = bench;
	}

	async carryOut(command: MessageCommand): Promise<void> {
		switch (command.op) {
			case "add":
				return this.#add(command.name, command.data);
			case "add-at-once":
				return this.#addAtOnce(command.names);
			case "receive":
				return this.#receive(command.names, command.count);
			case "receive-at-once":
				return this.#receiveAtOnce(command.names);
			case "complete":
				return this.#complete(command.names, command.by);
			case "complete-unknown":
				// Whether it is refused is not promised; that it takes nothing is.
				return this.#host.completeMessage("never-added", null).catch((error: Break) => {
					if (error.kind.endsWith("-hangs")) throw error;
				});
			case "wait":
				return this.#wait(command.names, command.end);
			case "reopen":
				return this.#reopen();
		}
	}

	async end(): Promise<void> {
		await this.#receive([], ALL);
	}

	async #reopen(): Promise<void> {
		await this.#host.reopen();
		const there = await this.#host.receiveMessages({ count: ALL, completable: true });
		const lost = this.#model.find((message) => !there.some(({ id }) => id === message.id));
		if (lost !== undefined) throw new Break("message-lost-at-close", `opened anew, ${lost.id} is not there`);
	}

	#new(name: string, data: unknown): Added {
		const n = this.#next++;
		return { id: `m${n}`, name, data, sentAt: 1_790_000_000_000 + n };
	}

	async #add(name: string, data: unknown): Promise<void> {
		const message = this.#new(name, data);
		await this.#host.addMessage({ ...message });
		this.#model.push(message);
	}

	async #addAtOnce(names: readonly string[]): Promise<void> {
		const added = names.map((name, i) => this.#new(name, i));
		await Promise.all(added.map((message) => this.#host.addMessage({ ...message })));
		const listed = await this.#host.receiveMessages({ count: ALL, completable: true });
		const order = (id: string) => listed.findIndex((message) => message.id === id);
		const lost = added.find(({ id }) => order(id) < 0);
		if (lost !== undefined) throw new Break("message-lost", `${lost.id} was added beside others, and is not there`);
		this.#model.push(...added.sort((a, b) => order(a.id) - order(b.id)));
	}

	#matching(names: readonly string[]): Added[] {
		return this.#model.filter(({ name }) => names.length === 0 || names.includes(name));
	}

	async #receive(names: readonly string[], count: number): Promise<void> {
		const expected = this.#matching(names).slice(0, count);
		const actual = await this.#host.receiveMessages({ ...filter(names), count, completable: false });
		this.#expect(expected, actual, names, count);
		this.#take(expected);
	}

	async #receiveAtOnce(names: readonly string[]): Promise<void> {
		const expected = this.#matching(names).slice(0, 2);
		const ask = () => this.#host.receiveMessages({ ...filter(names), count: 1, completable: false });
		const actual = (await Promise.all([ask(), ask()])).flat();
		const [first, second] = actual;
		if (first !== undefined && first.id === second?.id) {
			throw new Break("delivered-twice", `${first.id} was given to both of two receives that overlapped`);
		}
		actual.sort((a, b) => expected.findIndex(({ id }) => id === a.id) - expected.findIndex(({ id }) => id === b.id));
		this.#expect(expected, actual, names, 2);
		this.#take(expected);
	}

	async #complete(names: readonly string[], by: "message" | "driver"): Promise<void> {
		const expected = this.#matching(names).slice(0, 1);
		const ask = () => this.#host.receiveMessages({ ...filter(names), count: 1, completable: true });
		this.#expect(expected, await ask(), names, 1);
		const again = await ask();
		const [message] = expected;
		if (message === undefined) return;
		if (!again.some(({ id }) => id === message.id)) {
			throw new Break("completable-taken", `${message.id} was to be completed, and is gone before it was`);
		}
		const complete = again[0]?.complete;
		if (by === "message" && typeof complete === "function") await this.#host.ask("complete", () => complete("done"));
		else await this.#host.completeMessage(message.id, "done");
		this.#take([message]);
	}

	async #wait(names: readonly string[], end: "message" | "other" | "abort" | "aborted"): Promise<void> {
		const controller = new AbortController();
		const { signal } = controller;
		const there = this.#matching(names).length > 0;
		if (end === "aborted" && !there) controller.abort();
		const wait = this.#host.ask("waitForMessages", () => this.#begin(names, signal, there, end, controller));
		await wait;
		const listeners = getEventListeners(signal, "abort").length;
		if (listeners > 0) {
			const message = `a wait that has ended left ${counted(listeners, "listener")} on its signal`;
			throw new Break("listener-left", message);
		}
	}

	/** A wait from its beginning to its end, however it is to end. */
	async #begin(
		names: readonly string[],
		signal: AbortSignal,
		there: boolean,
		end: "message" | "other" | "abort" | "aborted",
		controller: AbortController,
	): Promise<void> {
		const of = names.length === 0 ? "any message" : names.join(" or ");
		let outcome: "woken" | "rejected" | undefined;
		const wait = this.#host.driver.waitForMessages([...names], signal).then(
			() => {
				outcome = "woken";
			},
			() => {
				outcome = "rejected";
			},
		);
		if (there) {
			await Promise.race([wait, this.#patience()]);
			if (outcome === "woken") return;
			throw new Break(
				outcome === undefined ? "wait-not-woken" : "wait-rejected",
				`a wait for ${of} did not end, and one is there`,
			);
		}
		if (end !== "aborted") {
			await this.#bench.pause();
			if (end === "other") await this.#addOther(names);
			if (outcome !== undefined)
				throw new Break("wait-ended-early", `a wait for ${of} was ${outcome}, and none is there`);
		}
		if (end === "message") {
			await this.#add(names[0] ?? "a", "awaited");
			await Promise.race([wait, this.#patience()]);
			if (outcome !== "woken") throw new Break("wait-not-woken", `a wait for ${of} did not end when one was added`);
			return;
		}
		controller.abort(new Error("aborted by the suite"));
		await Promise.race([wait, this.#patience()]);
		if (outcome === undefined)
			throw new Break("abort-ignored", `a wait for ${of} did not end when its signal was aborted`);
		if (outcome === "woken") throw new Break("abort-resolves", `an aborted wait for ${of} ended as if one had come`);
	}

	/** Adds a message that nobody waits for, if there is such a name, and lets it be looked at. */
	async #addOther(names: readonly string[]): Promise<void> {
		const other = names.length === 0 ? undefined : NAMES.find((name) => !names.includes(name));
		if (other === undefined) return;
		await this.#add(other, "not awaited");
		await this.#bench.pause();
	}

	/** As long as a wait may take to end that has to; some drivers look only from time to time. */
	async #patience(): Promise<void> {
		for (let i = 0; i < 50; i++) await this.#bench.pause();
	}

	#take(messages: readonly Added[]): void {
		for (const { id } of messages) this.#taken.add(id);
		this.#model = this.#model.filter((message) => !messages.includes(message));
	}

	#expect(expected: readonly Added[], actual: readonly Message[], names: readonly string[], count: number): void {
		const ids = (messages: readonly { readonly id: string }[]) => messages.map(({ id }) => id).join(", ") || "none";
		const told = `receiving up to ${count}${names.length === 0 ? "" : ` of ${names.join(" or ")}`} gave ${ids(actual)}, not ${ids(expected)}`;
		const again = actual.find(({ id }) => this.#taken.has(id));
		if (again !== undefined) throw new Break("delivered-again", `${told}: ${again.id} was taken before`);
		if (names.length > 0 && actual.some(({ name }) => !names.includes(name))) throw new Break("filter-ignored", told);
		if (actual.length > count) throw new Break("count-exceeded", told);
		const unknown = actual.find(({ id }) => !this.#model.some((message) => message.id === id));
		if (unknown !== undefined) throw new Break("unknown-message", told);
		if (new Set(actual.map(({ id }) => id)).size < actual.length) throw new Break("delivered-twice", told);
		if (ids(actual) !== ids(expected)) {
			throw new Break(actual.length < expected.length ? "message-missing" : "out-of-order", told);
		}
		for (const [i, message] of expected.entries()) {
			const got = actual[i];
			if (JSON.stringify(got?.data) === JSON.stringify(message.data) && got?.name === message.name) continue;
			const gave = `${got?.name} with ${JSON.stringify(got?.data)}`;
			throw new Break(
				"message-altered",
				`${message.id} came as ${gave}, not ${message.name} with ${JSON.stringify(message.data)}`,
			);
		}
	}
}

/** Without a filter there is no `names` at all, as the engine asks. */
function filter(names: readonly string[]): { readonly names?: readonly string[] } {
	return names.length === 0 ? {} : { names };
}
