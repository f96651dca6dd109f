/**
 * In which order the operations of one process life take effect. `ActorDriver` promises none to operations that are under way at
 * once, and storage that serves several has none. But nobody overtakes where it can be seen: an operation waits for those before it
 * that touch the same keys, if one of the two writes. Both published drivers go further and do one after the other.
 */
import type { Process } from "../../../sim/world/process.ts";
import type { World } from "../../../sim/world/world.ts";

export type Order = "overlapping" | "in-turn";

/** What an operation concerns: keys, or all from `start` up to `end`. */
export interface Touched {
	readonly writes: boolean;
	readonly keys?: readonly string[];
	readonly start?: string;
	/** Not among them. Without it, all that begin with `start`. */
	readonly end?: string;
}

const EVERYTHING: Touched = { writes: true, start: "" };

interface UnderWay {
	readonly touched: Touched;
	readonly done: Promise<unknown>;
}

export class Turns {
	readonly #world: World;
	readonly #process: Process;
	readonly #order: Order;
	#underWay: UnderWay[] = [];

	constructor(world: World, process: Process, order: Order) {
		this.#world = world;
		this.#process = process;
		this.#order = order;
	}

	operate<T>(what: string, touched: Touched, perform: () => T): Promise<T> {
		const concerned = this.#order === "in-turn" ? EVERYTHING : touched;
		const before = this.#underWay.filter((other) => conflict(concerned, other.touched));
		const carryOut = () => this.#world.operate(this.#process, what, perform);
		const result = before.length === 0 ? carryOut() : settled(before).then(carryOut);
		const done = result
			.catch(() => {})
			.then(() => {
				this.#underWay = this.#underWay.filter((other) => other !== mine);
			});
		const mine: UnderWay = { touched: concerned, done };
		this.#underWay.push(mine);
		return result;
	}
}

async function settled(operations: readonly UnderWay[]): Promise<void> {
	for (const { done } of operations) await done;
}

function conflict(one: Touched, other: Touched): boolean {
	if (!one.writes && !other.writes) return false;
	if (one.keys !== undefined) return one.keys.some((key) => touches(other, key));
	if (other.keys !== undefined) return other.keys.some((key) => touches(one, key));
	return true;
}

function touches({ keys, start = "", end }: Touched, key: string): boolean {
	if (keys !== undefined) return keys.includes(key);
	return end === undefined ? key.startsWith(start) : key >= start && key < end;
}
