/**
 * Turns: the attempt of a step, an action, a hook. One turn has the actor at a time, so that none sees what another has not
 * finished. A turn works on copies of state and vars. What it changed, sent, scheduled and broadcast becomes durable as one, with
 * the history of its step; of a turn that failed nothing is left, and nothing is written.
 *
 * Vars live in memory and may hold anything. Of them objects, arrays, maps and sets are copied; what else they hold is kept by
 * reference, and what a failed attempt did inside of that is not undone.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { decodeValue, encodeValue } from "../../engine/reference/values.ts";
import { ActorAccessError, StateNotEnabledError } from "./errors.ts";
import type { ActorRules } from "./rules.ts";
import type { Scheduled } from "./store.ts";

/** What a turn has asked for besides, and gets when it is durable. */
export interface Wishes {
	readonly sends: { readonly name: string; readonly body: Uint8Array }[];
	readonly schedule: Scheduled[];
	readonly broadcasts: { readonly event: string; readonly values: readonly unknown[] }[];
	destroy: boolean;
	sleep: boolean;
}

export class Turn implements Wishes {
	readonly sends: Wishes["sends"] = [];
	readonly schedule: Scheduled[] = [];
	readonly broadcasts: { readonly event: string; readonly values: readonly unknown[] }[] = [];
	destroy = false;
	sleep = false;
	/** Whether what it does counts. */
	open = true;
	/** The copies that it works on, once it has asked for them. */
	state: { value: unknown } | undefined;
	vars: { value: unknown } | undefined;
	/** The state that it leaves, as bytes, where that is another. */
	newState: Uint8Array | undefined;
}

const current = new AsyncLocalStorage<Turn>();

/** @throws ActorAccessError outside of a turn, and in one that is over. */
export function turnFor(what: string): Turn {
	const turn = current.getStore();
	if (turn === undefined) throw new ActorAccessError(what);
	if (!turn.open) throw new ActorAccessError(what, true);
	return turn;
}

export class Turns {
	readonly #rules: ActorRules;
	/** Undefined for an actor without state. */
	#state: Uint8Array | undefined;
	#vars: unknown;
	#holder: Turn | undefined;
	readonly #waiting: ((turn: Turn) => void)[] = [];

	constructor(rules: ActorRules) {
		this.#rules = rules;
	}

	begin(state: Uint8Array | undefined, vars: unknown): void {
		this.#state = state;
		this.#vars = vars;
	}

	get busy(): boolean {
		return this.#holder !== undefined;
	}

	get state(): Uint8Array | undefined {
		return this.#state;
	}

	/** Settles when the actor is this turn's alone. */
	take(): Promise<Turn> {
		if (this.#holder !== undefined) return new Promise((resolve) => this.#waiting.push(resolve));
		this.#holder = new Turn();
		return Promise.resolve(this.#holder);
	}

	/** Carries out the body of a turn. */
	run<T>(turn: Turn, body: () => T): T {
		return current.run(turn, body);
	}

	/**
	 * Ends the body of a turn that went well: nothing it does from now on counts. Nobody else has the actor before `settle` or `undo`.
	 * @throws UnkeepableValueError when the state that it leaves cannot be stored.
	 */
	close(turn: Turn): void {
		turn.open = false;
		if (turn.state === undefined || this.#state === undefined) return;
		const bytes = encodeValue(turn.state.value, "the state");
		if (Buffer.compare(bytes, this.#state) !== 0) turn.newState = bytes;
	}

	/** What the turn did is durable. */
	settle(turn: Turn): void {
		if (turn.newState !== undefined) this.#state = turn.newState;
		if (turn.vars !== undefined) this.#vars = turn.vars.value;
		this.#release(turn);
	}

	/** What the turn did is undone. */
	undo(turn: Turn): void {
		turn.open = false;
		const { keepFailedState, keepFailedVars, restoreVarsInPart } = this.#rules;
		if (keepFailedState === true && turn.state !== undefined) this.#state = encodeValue(turn.state.value);
		if (keepFailedVars === true && turn.vars !== undefined) this.#vars = turn.vars.value;
		if (restoreVarsInPart === true && turn.vars !== undefined) this.#vars = inPart(this.#vars, turn.vars.value);
		this.#release(turn);
	}

	/** The state as the turn sees it: an object of its own. @throws StateNotEnabledError */
	stateOf(turn: Turn): { value: unknown } {
		if (this.#state === undefined) throw new StateNotEnabledError();
		turn.state ??= { value: decodeValue(this.#state) };
		return turn.state;
	}

	varsOf(turn: Turn): { value: unknown } {
		turn.vars ??= { value: this.#rules.cloneVars === true ? structuredClone(this.#vars) : copyOf(this.#vars) };
		return turn.vars;
	}

	#release(turn: Turn): void {
		if (this.#holder !== turn) return;
		const next = this.#waiting.shift();
		this.#holder = next === undefined ? undefined : new Turn();
		if (this.#holder !== undefined) next?.(this.#holder);
	}
}

/** A copy of plain objects, arrays, maps and sets, and of what they hold of these. The rest is the same, classes of users too. */
function copyOf(value: unknown, seen = new Map<object, unknown>()): unknown {
	if (typeof value !== "object" || value === null) return value;
	const known = seen.get(value);
	if (known !== undefined) return known;
	const prototype: unknown = Object.getPrototypeOf(value);
	if (Array.isArray(value) && prototype === Array.prototype) {
		const copy: unknown[] = [];
		seen.set(value, copy);
		for (const element of value) copy.push(copyOf(element, seen));
		return copy;
	}
	if (value instanceof Map && prototype === Map.prototype) {
		const copy = new Map();
		seen.set(value, copy);
		for (const [key, held] of value) copy.set(copyOf(key, seen), copyOf(held, seen));
		return copy;
	}
	if (value instanceof Set && prototype === Set.prototype) {
		const copy = new Set();
		seen.set(value, copy);
		for (const held of value) copy.add(copyOf(held, seen));
		return copy;
	}
	if (prototype !== Object.prototype && prototype !== null) return value;
	const copy: object = Object.create(prototype as object | null);
	seen.set(value, copy);
	// All that it has: a copy that leaves out symbols, or what is computed when asked for, is half of it.
	for (const field of Reflect.ownKeys(value)) {
		const described = Object.getOwnPropertyDescriptor(value, field) as PropertyDescriptor;
		if ("value" in described) described.value = copyOf(described.value, seen);
		Object.defineProperty(copy, field, described);
	}
	return copy;
}

/** What a copy that stops at the first thing it cannot copy gives back. */
function inPart(before: unknown, after: unknown): unknown {
	if (typeof before !== "object" || before === null) return before;
	const result: Record<string, unknown> = { ...(after as Record<string, unknown>) };
	for (const [field, held] of Object.entries(before)) {
		if (typeof held === "function" || (typeof held === "object" && held !== null && copyOf(held) === held)) break;
		result[field] = held;
	}
	return result;
}
