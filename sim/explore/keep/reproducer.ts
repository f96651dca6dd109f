/**
 * Reproducers: one finding in one file, with all that it takes to see it again. The file holds the scenario as plain data (a
 * generated program as its statements, the messages of a named one), so it keeps its meaning when generators change; and the
 * history it was seen in, so that a later run can be told apart from it event by event.
 *
 * The file is CBOR: ["faultline-reproducer", format version, checksum, content]. The content is deflated CBOR; the checksum is the
 * SHA-256 of the version and the content. Equal findings make equal bytes, in every version of Node.
 */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { Encoder } from "cbor-x";
import { deflateSync } from "fflate";
import * as v from "valibot";
import { UsageError } from "../../../drivers/engine/contract.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import { findingId } from "../../../reports/model.ts";
import type { Violation } from "../../../suites/property.ts";
import type { Run } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import type { HistoryEvent, WorldEvents } from "../../world/history.ts";
import { type Difference, decodeEvent, digestOf, firstDifference, type Recording, record } from "../blame.ts";
import { idOf, type Judgement } from "../explorer.ts";
import { VERSION } from "../version.ts";
import { faultIn, fields, SCENARIO } from "./scenario-schema.ts";

export interface Reproducer {
	/** Version of Faultline that wrote it. */
	readonly tool: string;
	readonly target: {
		/** `name` as on the command line; `version` as the engine's adapter says it. */
		readonly engine: { readonly name: string; readonly version: string };
		readonly driver: string;
	};
	readonly scenario: Scenario;
	readonly finding: {
		readonly property: string;
		readonly kind: string;
		readonly message: string;
		/** Place in the history of the event that shows it. */
		readonly event: number;
	};
	/** Hex SHA-256 of the history. */
	readonly digest: string;
	/** The history, event by event. */
	readonly events: Recording;
}

/** What is shown of one finding, as a judged run has it. */
export interface Shown {
	readonly property: { readonly id: string };
	readonly violation: Violation;
}

/** The scenario with the messages of its program written down: those of a named one may be others in a later version. */
export function withInputs(scenario: Scenario, program: Program): Scenario {
	const inputs = scenario.inputs ?? program.inputs;
	return inputs === undefined ? scenario : { ...scenario, inputs };
}

/** The reproducer of a finding that this run shows. */
export function reproducerOf(run: Run, { property, violation }: Shown): Reproducer {
	const { engine, storage } = run.target;
	const { kind, message, event } = violation;
	const events = record(run.history);
	return {
		tool: VERSION,
		target: { engine: { name: engine.name, version: engine.version }, driver: storage.name },
		scenario: withInputs(run.scenario, run.program),
		finding: { property: property.id, kind, message, event },
		digest: digestOf(events),
		events,
	};
}

const text = v.pipe(v.string(), v.nonEmpty());
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const REPRODUCER = fields<Reproducer>()({
	tool: text,
	target: fields<Reproducer["target"]>()({
		engine: fields<Reproducer["target"]["engine"]>()({ name: text, version: text }),
		driver: text,
	}),
	scenario: SCENARIO,
	finding: fields<Reproducer["finding"]>()({ property: text, kind: text, message: v.string(), event: count }),
	digest: v.pipe(v.string(), v.hash(["sha256"])),
	events: v.pipe(v.array(v.instance(Uint8Array)), v.minLength(1)),
});

const FORMAT = "faultline-reproducer";
const FORMAT_VERSION = 1;
/** Decoded bytes beyond which a file is not read: a hundred times the longest history that was ever kept. */
const MAX_CONTENT_BYTES = 64 * 2 ** 20;

const ENVELOPE = v.tuple([v.literal(FORMAT), count, v.instance(Uint8Array), v.instance(Uint8Array)]);

const codec = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });

/** The bytes of the file: equal findings make equal bytes. */
export function encodeReproducer(reproducer: Reproducer): Uint8Array {
	// Parsed, so that fields stand in one order, and that what is written can be read.
	const plain = v.parse(REPRODUCER, reproducer);
	// Node's own zlib makes other bytes in other versions and on other machines.
	const content = deflateSync(codec.encode(plain), { level: 9 });
	return codec.encode([FORMAT, FORMAT_VERSION, checksum(FORMAT_VERSION, content), content]);
}

function checksum(version: number, content: Uint8Array): Uint8Array {
	return createHash("sha256").update(`${FORMAT} ${version} `).update(content).digest();
}

/**
 * The inverse of `encodeReproducer`.
 * @param name what to call it in errors: the path of the file.
 * @throws UsageError when it is no reproducer, damaged, of a newer format, or holds what this version cannot run.
 */
export function decodeReproducer(bytes: Uint8Array, name = "the file"): Reproducer {
	if (!Buffer.from(bytes.subarray(0, FORMAT.length + 8)).includes(FORMAT)) {
		throw new UsageError(`${name} is no reproducer; give a file written by: pnpm sim --seed N --save FILE`);
	}
	const damaged = () =>
		new UsageError(`${name} is damaged; copy it again, or make it anew: pnpm sim --seed N --save FILE`);
	const envelope = v.safeParse(
		ENVELOPE,
		attempt(() => codec.decode(bytes)),
	);
	if (!envelope.success) throw damaged();
	const [, version, sum, content] = envelope.output;
	if (Buffer.compare(checksum(version, content), sum) !== 0) throw damaged();
	if (version > FORMAT_VERSION) {
		const read = `Faultline ${VERSION} reads format ${FORMAT_VERSION}`;
		throw new UsageError(`${name} has format ${version}, and ${read}; use a newer Faultline.`);
	}

	const plain = attempt(() => codec.decode(inflateRawSync(content, { maxOutputLength: MAX_CONTENT_BYTES })));
	const fault = faultIn(REPRODUCER, plain) ?? faultInHistory(plain as Reproducer);
	if (fault !== undefined) {
		const tool = (plain as { tool?: unknown } | undefined)?.tool;
		const writer = typeof tool === "string" ? `use Faultline ${tool}, which wrote it` : "make it anew";
		throw new UsageError(`${name} holds what Faultline ${VERSION} cannot run (${fault}); ${writer}.`);
	}
	return v.parse(REPRODUCER, plain) as Reproducer;
}

/** What `make` returns; undefined when it throws, as decoders do on bytes that are not theirs. */
function attempt(make: () => unknown): unknown {
	try {
		return make();
	} catch {
		return undefined;
	}
}

/** What is wrong with the recorded history; undefined when nothing is. */
function faultInHistory({ events, digest, finding }: Reproducer): string | undefined {
	const unreadable = events.findIndex((event) => attempt(() => decodeEvent(event)) === undefined);
	if (unreadable >= 0) return `events.${unreadable}: not the bytes of an event`;
	if (digestOf(events) !== digest) return "digest: not that of the events";
	return finding.event < events.length ? undefined : `finding.event: there are ${events.length} events`;
}

/** Reads a file. @throws UsageError also when there is none. */
export function readReproducer(file: string): Reproducer {
	let bytes: Uint8Array;
	try {
		bytes = readFileSync(file);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`No reproducer can be read at ${file} (${code}); give a file that --save or --report wrote.`);
	}
	return decodeReproducer(bytes, file);
}

/** @throws UsageError when the file cannot be written. */
export function writeReproducer(file: string, reproducer: Reproducer): void {
	try {
		writeFileSync(file, encodeReproducer(reproducer));
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		throw new UsageError(
			`No reproducer can be written to ${file} (${code}); give a file in a directory that is there.`,
		);
	}
}

export interface Replay {
	/** Whether the run shows the finding again, something else, or nothing. */
	readonly outcome: "still-fails" | "other-failure" | "passes";
	/** Ids of all that it shows. */
	readonly shown: readonly string[];
	/** Where its history parts from the recorded one, which is the first side; undefined when they are equal to the byte. */
	readonly difference: Difference | undefined;
	/** Recorded faults, by place in the plan, that did not strike this time. */
	readonly missed: readonly number[];
}

/** What a run of a reproducer's scenario says about its finding. */
export function compareWithRecorded(reproducer: Reproducer, { run, violations }: Judgement): Replay {
	const shown = [...new Set(violations.map(idOf))];
	const id = findingId(reproducer.finding);
	return {
		outcome: shown.includes(id) ? "still-fails" : shown.length > 0 ? "other-failure" : "passes",
		shown,
		difference: firstDifference(reproducer.events, run.history),
		missed: faultsOf(reproducer.events.map(decodeEvent)).filter((index) => !run.fired.has(index)),
	};
}

/** Places in the plan of the faults that struck, as a history proves them. */
export function faultsOf(events: readonly HistoryEvent[]): number[] {
	return events.filter(({ kind }) => kind === "fault").map(({ data }) => (data as WorldEvents["fault"]).index);
}
