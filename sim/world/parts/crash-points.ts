/** The places of a run where a crash would leave something new, each offered to whoever searches them, with what it would leave. */
import type { Disk } from "../disk.ts";
import { describeFault } from "../faults.ts";
import { HarnessError } from "../harness-error.ts";
import type { Mutation } from "../history.ts";
import type { Process } from "../process.ts";
import type { CrashPoint } from "../state.ts";
import type { Timeline } from "../timeline.ts";
import { keptOf } from "./damage.ts";
import type { Lives } from "./lives.ts";
import type { Snapshots } from "./snapshots.ts";
import { betweenEvents, type Strikes } from "./strikes.ts";

export type CrashPointListener = (point: CrashPoint) => void;

export class CrashPoints {
	readonly #listener: CrashPointListener;
	readonly #timeline: Timeline;
	readonly #lives: Lives;
	readonly #strikes: Strikes;
	readonly #disk: Disk;
	readonly #snapshots: Snapshots;

	constructor(
		listener: CrashPointListener,
		timeline: Timeline,
		lives: Lives,
		strikes: Strikes,
		disk: Disk,
		snapshots: Snapshots,
	) {
		this.#listener = listener;
		this.#timeline = timeline;
		this.#lives = lives;
		this.#strikes = strikes;
		this.#disk = disk;
		this.#snapshots = snapshots;
	}

	/** Around a durable effect; before it with what carries it out, so that it can be torn. */
	offerWrite(
		n: number,
		side: "before" | "after",
		process: Process,
		what: string,
		mutations?: readonly Mutation[],
		apply?: (n: number, kept?: readonly Mutation[]) => void,
	): void {
		const victims = this.#lives.victimsOf(process);
		if (victims.length === 0) return;
		this.#listener({
			place: { write: n, side },
			what,
			mutations: mutations?.length ?? 0,
			inFlight: inFlightOf(victims),
			foresee: (fault) =>
				this.#snapshots.foresee(() => {
					if (fault.kind !== "crash" && fault.kind !== "torn" && fault.kind !== "power-loss") {
						throw new HarnessError("foresee", `${describeFault(fault)} is no crash.`);
					}
					this.#strikes.fireFault(fault, this.#strikes.planned.plan.length, what);
					if (fault.kind === "torn") apply?.(n, keptOf(fault.kept, mutations));
					if (fault.kind === "power-loss") this.#disk.lose(fault.lost);
					const why = fault.kind === "power-loss" ? "power loss" : "planned";
					const late = fault.kind === "power-loss" ? [] : "late" in fault ? fault.late : undefined;
					for (const victim of victims) this.#lives.die(victim, why, late);
				}),
		});
	}

	/** Before a task that the outside is about to do. */
	offerEvent(): void {
		const victims = this.#lives.living();
		if (victims.length === 0) return;
		const what = betweenEvents(victims);
		this.#listener({
			place: { event: this.#timeline.events + 1 },
			what,
			mutations: 0,
			inFlight: inFlightOf(victims),
			foresee: (fault) =>
				this.#snapshots.foresee(() => {
					this.#strikes.fireFault(fault, this.#strikes.planned.plan.length, what);
					for (const victim of victims) this.#lives.die(victim, "planned", "late" in fault ? fault.late : undefined);
				}),
		});
	}
}

function inFlightOf(victims: readonly Process[]): string[] {
	return victims.flatMap((victim) => victim.inFlight.map((operation) => operation.what));
}
