/**
 * Where a connection is cut, and what still passes: the same rule for a relay between real processes and for a gate inside a
 * world. Frames are counted through the whole conversation, each direction on its own, and without those that time alone causes:
 * pings and pongs. What a cut loses is lost for good, whatever the other side did about it.
 */
export type Direction = "to-server" | "to-runner";

/** The nth counted frame of a direction, from 1. `reaches` says whether it still arrives; nothing after it does. */
export interface Cut {
	readonly direction: Direction;
	readonly frame: number;
	readonly reaches: boolean;
}

/** `open`: frames pass. `dark`: none does, and neither end knows. `cut`: the connection is to be destroyed at once. */
export type GateState = "open" | "dark" | "cut";

export class Gate {
	readonly #cut: Cut | undefined;
	readonly #counted: Record<Direction, number> = { "to-server": 0, "to-runner": 0 };
	#state: GateState = "open";
	#struck = false;

	constructor(cut?: Cut) {
		this.#cut = cut;
	}

	get state(): GateState {
		return this.#state;
	}

	/** Whether the connection is to be destroyed, or is already. */
	get isCut(): boolean {
		return this.#state === "cut";
	}

	/** Whether the cut fell; a row whose cut never fell shows nothing. */
	get struck(): boolean {
		return this.#struck;
	}

	/** Frames counted so far. */
	get counted(): Readonly<Record<Direction, number>> {
		return this.#counted;
	}

	/** Counts a frame. @returns whether it passes. */
	passes(direction: Direction, frame: Uint8Array): boolean {
		if (!counts(direction, frame)) return this.#state === "open";
		this.#counted[direction] += 1;
		if (this.#state !== "open") return false;
		const cut = this.#cut;
		if (cut === undefined || this.#struck || cut.direction !== direction || cut.frame !== this.#counted[direction]) {
			return true;
		}
		this.#struck = true;
		this.#state = cut.reaches ? "dark" : "cut";
		return cut.reaches;
	}

	/** From now on nothing passes, and neither end knows. */
	darken(): void {
		this.#state = "dark";
	}

	/** A new connection takes the place of what was cut. */
	reopen(): void {
		this.#state = "open";
	}
}

/** What the first byte of a frame says that it is, where time alone, or a user, is its cause; versions 4 to 7 agree on these. */
const UNCOUNTED: Readonly<Record<Direction, ReadonlySet<number | undefined>>> = {
	/** Pong, KvRequest, TunnelMessage. */
	"to-server": new Set([4, 5, 6]),
	/** KvResponse, TunnelMessage, Ping. */
	"to-runner": new Set([3, 4, 5]),
};

function counts(direction: Direction, frame: Uint8Array): boolean {
	return !UNCOUNTED[direction].has(frame[0]);
}

/** `to-server 3, lost` and the like. */
export function cutName(cut: Cut | undefined): string {
	return cut === undefined ? "whole" : `${cut.direction} ${cut.frame}, ${cut.reaches ? "its answer lost" : "lost"}`;
}
