/**
 * A rule that no storage driver may break: drawn sequences of operations, carried out on the driver and held against a model.
 * Properties are data; what draws, limits in time and shrinks is elsewhere.
 */
import type { Arbitrary } from "fast-check";
import type { DriverClaims } from "../../drivers/storage/contract.ts";
import type { DRIVER_METHODS, MESSAGE_METHODS } from "../../drivers/storage/plug.ts";
import type { Host } from "./host.ts";

export type DriverMethod = (typeof DRIVER_METHODS)[number] | (typeof MESSAGE_METHODS)[number];

/** How a driver broke a promise: thrown by what carries a sequence out. */
export class Break extends Error {
	override readonly name = "Break";
	/** Short and stable; names how the property broke. */
	readonly kind: string;
	/** Why the promise is a matter of reading; absent when it is not. */
	readonly disputed?: string;

	constructor(kind: string, message: string, disputed?: string) {
		super(message);
		this.kind = kind;
		if (disputed !== undefined) this.disputed = disputed;
	}
}

/** What a driver says of itself, in words for reports. */
export interface Claimed {
	/** What it is held to. */
	readonly claims: DriverClaims;
	/** Which of these it said itself; the others are the weakest there are. */
	readonly said: ReadonlySet<keyof DriverClaims>;
	/** Whether it has but one namespace. */
	readonly single: boolean;
	/** Whether what it opens can tell its alarm. */
	readonly tellsAlarm: boolean;
}

/** What a sequence is carried out with: fresh namespaces of one driver, and time. */
export interface Bench extends Claimed {
	/** Opens a namespace of this run, empty at first; several runs never share one. */
	open(name?: string): Promise<Host>;
	/** Lets what is under way go on for some milliseconds of real time. */
	pause(): Promise<void>;
}

export interface DriverProperty<Sequence = unknown> {
	/** As in the list of properties, e.g. `storage.map`. */
	readonly id: string;
	/** What must hold, in one sentence. */
	readonly claim: string;
	/** Where the rule comes from. */
	readonly source: string;
	/** Mutants that it must catch, by name. */
	readonly mutants: readonly string[];
	/** What it calls; a driver that lacks one is not held to it, and breaks `storage.contract`. */
	readonly uses: readonly DriverMethod[];
	/** Why a driver is not held to it; undefined when it is. */
	skips?(claimed: Claimed): string | undefined;
	/** Parts of it that a driver is not held to, since it does not claim them. */
	unclaimed?(claimed: Claimed): readonly string[];
	/** How much a run takes, as a multiple of a usual one's time; 1 when absent. */
	readonly weight?: number;
	draws(claimed: Claimed): Arbitrary<Sequence>;
	/** Carries the sequence out. @throws Break when the driver breaks the rule. */
	run(sequence: Sequence, bench: Bench): Promise<void>;
	/** The sequence in words, a step a line. */
	tell(sequence: Sequence): readonly string[];
}

/** A property whose kind of sequence is its own affair. */
export function driverProperty<Sequence>(property: DriverProperty<Sequence>): DriverProperty {
	return property as unknown as DriverProperty;
}
