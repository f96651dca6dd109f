/**
 * What a campaign needs of an actor, or of a runner and its server, to explore it: how a seed becomes a scenario, how that is
 * run, who judges the run, what makes it smaller, and how it is told. A subject keeps nothing between two runs that a later one
 * could tell; workers each make their own.
 */
import type { Expected, SubjectProperty, SubjectRun, SubjectScenario } from "../../../suites/subject.ts";
import type { ConnectionEnd, FaultKind } from "../../world/faults.ts";
import type { FrameContent } from "../../world/network.ts";

export type SubjectKind = "actor" | "runner";

export interface SubjectProgram {
	readonly name: string;
	/** What it does, in a sentence or two. */
	readonly summary: string;
}

export interface Subject<S extends SubjectScenario = SubjectScenario, R extends SubjectRun<S> = SubjectRun<S>> {
	readonly kind: SubjectKind;
	/** What is under test, as reports name it. */
	readonly target: {
		/** `rivetkit-2.2.1`, `reference`. */
		readonly name: string;
		readonly version: string;
		/** What it runs on or talks to: `memory`, `pegboard`. */
		readonly against: string;
	};
	/** Properties by suite. */
	readonly suites: ReadonlyMap<string, readonly SubjectProperty<R>[]>;
	/** What should have been in place of each finding, for reports; what its property promises where nothing is said. */
	readonly expected?: Expected<R>;
	/** What seeds draw from. */
	readonly programs: readonly SubjectProgram[];
	/** Kinds of fault that plans are drawn from. */
	readonly faults: ReadonlySet<FaultKind>;
	/** The scenario of a seed: the same subject and seed always give the same one. */
	draw(seed: number): S;
	/** The program with nothing in its way, once for each way in which it can be hosted: where a search begins. */
	uninterrupted(program: string): readonly S[];
	/** Makes the run; called in a macrotask. @throws HarnessError when it left its world. */
	run(scenario: S): R;
	/**
	 * Scenarios with less in them, the most promising first; none needs to fail in the same way. Whoever shrinks drops faults, moves
	 * them to earlier places and calms latencies by itself: these are about the rest.
	 */
	smaller(scenario: S): Iterable<S>;
	/** How it was run and what was done to it, a line each; faults that struck are told by the caller. */
	conditions(scenario: S): readonly string[];
	/** A stored key in a few words. */
	describeKey(table: string, key: string): string;
	/** What the bytes under a key hold, as plain data, for reports; undefined when they are not what is stored there. */
	describeValue?(table: string, key: string, value: Uint8Array): unknown;
	/** What a frame says, in a few words; absent where no network is. */
	describeFrame?(content: FrameContent, from: ConnectionEnd, url: string): string;
	/** What ran, as lines to read. */
	code?(scenario: S): string;
}
