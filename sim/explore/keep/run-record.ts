/**
 * From a judged run to what a report keeps of it: events as JSON can hold them, and what was stored decoded by those who stored
 * it. Knows the world's events that change the disk; whatever else happened is passed on as it is.
 */
import { inspect } from "node:util";
import { referenceEngine } from "../../../drivers/engine/reference/reference.ts";
import { firstReleaseOf } from "../../../fixtures/generators/interpret.ts";
import { printStatements } from "../../../fixtures/generators/print.ts";
import type { Program } from "../../../fixtures/programs/program.ts";
import {
	type ComparedRow,
	type ProgramText,
	type RecordedViolation,
	type RunEvent,
	type RunRecord,
	SCHEMA_VERSION,
	type StoredChange,
	type StoredPlace,
} from "../../../reports/model.ts";
import type { Violation } from "../../../suites/property.ts";
import { execute, type Run } from "../../../suites/run.ts";
import { getOrInsert } from "../../world/collections.ts";
import type { FaultPlan } from "../../world/faults.ts";
import type { HistoryEvent, Mutation, WorldEvents } from "../../world/history.ts";
import { EPOCH_MS } from "../../world/world.ts";
import { conditionsOf } from "../campaign/recorder.ts";
import { referenceScenario } from "../draw.ts";
import type { Explorer, Judgement } from "../explorer.ts";
import { dedented } from "../source-text.ts";

/** Reads keys and values of what was stored. */
export interface StoredReader {
	/** A stored key in a few words. */
	describeKey(table: string, key: string): string;
	/** What the bytes hold, as plain data; undefined when they are not what is stored there. */
	describeValue?(table: string, key: string, value: Uint8Array): unknown;
}

/** The run of a finding, as a report keeps it. Runs the program without interruption too, unless the explorer has. */
export function runRecordOf(explorer: Explorer, finding: string, { run, violations }: Judgement): RunRecord {
	const { program, scenario, target } = run;
	return {
		schemaVersion: SCHEMA_VERSION,
		finding,
		target: { name: target.engine.name, against: target.storage.name },
		program: programText(program),
		conditions: conditionsOf(scenario, run.fired),
		digest: run.history.digest(),
		...toldEvents(run.history.events, scenario.faults, explorer),
		violations: recordedViolations(violations, run.history.events.length),
		...compared(run),
	};
}

/** @param events how many there are: what is seen at the end of a run is told with its last event. */
export function recordedViolations(
	violations: readonly {
		readonly property: { readonly id: string; readonly claim: string };
		readonly violation: Violation;
	}[],
	events: number,
): RecordedViolation[] {
	return violations.map(({ property: { id, claim }, violation: { kind, message, event } }) => ({
		...{ property: id, kind, claim, message },
		event: Math.min(event, events - 1),
	}));
}

function programText({ name, summary, statements, run, inputs = [] }: Program): ProgramText {
	return {
		...{ name, summary },
		...(statements === undefined
			? { code: dedented(run.toString()), language: "javascript" }
			: { code: printStatements(statements).join("\n"), language: "outline" }),
		inputs: inputs.map(({ atMs, name, body }, i) => `m${i + 1}: ${name} at ${atMs} ms, ${valueText(body)}`),
	};
}

/** Events with what each changed on the disk, which is worked out once more from the events alone. */
export function toldEvents(
	events: readonly HistoryEvent[],
	faults: FaultPlan,
	reader: StoredReader,
): Pick<RunRecord, "events" | "places"> {
	const storage = new Storage(faults, reader);
	const told = events.map((event): RunEvent => {
		const changes = storage.changesOf(event);
		return {
			...{ at: event.at, process: event.process, kind: event.kind },
			data: plainOf(event.kind === "operation" ? decodedOperation(event.data, reader) : withoutBytes(event)),
			...(changes.length === 0 ? {} : { changes }),
		};
	});
	return { events: told, places: storage.places };
}

/** What an operation was about, its key in words where it is about one. */
function decodedOperation(data: unknown, reader: StoredReader): WorldEvents["operation"] {
	const { what, detail } = data as WorldEvents["operation"];
	const isText = /^[\x20-\x7e]*$/.test(detail);
	return { what, detail: isText ? detail : keyText(reader, KEYS, detail) };
}

/** A key in a few words; one that its reader cannot read in hexadecimal digits. */
function keyText(reader: StoredReader, table: string, key: string): string {
	try {
		return reader.describeKey(table, key);
	} catch {
		return `key ${Buffer.from(key, "latin1").toString("hex")}`;
	}
}

/** The table of what engines store under keys of their own. */
const KEYS = "/kv";

/** What changes say is left out of the data of an event, bytes as they are. */
function withoutBytes({ kind, data }: HistoryEvent): unknown {
	if (kind === "durable") {
		const { n, what } = data as WorldEvents["durable"];
		return { n, what };
	}
	if (kind === "damaged") return { how: (data as WorldEvents["damaged"]).how };
	return data;
}

/** The disk again, as far as a report needs it: what is where, and what the latest writes replaced. */
class Storage {
	readonly places: StoredPlace[] = [];
	readonly #numbers = new Map<string, number>();
	readonly #values = new Map<number, Uint8Array>();
	readonly #faults: FaultPlan;
	readonly #reader: StoredReader;
	#replaced: (readonly Mutation[])[] = [];

	constructor(faults: FaultPlan, reader: StoredReader) {
		this.#faults = faults;
		this.#reader = reader;
	}

	changesOf({ kind, data }: HistoryEvent): StoredChange[] {
		if (kind === "durable") {
			const { mutations } = data as WorldEvents["durable"];
			this.#replaced.push(mutations.map((mutation) => ({ ...mutation, value: this.#at(mutation) ?? null })));
			return mutations.map((mutation) => this.#change(mutation));
		}
		if (kind === "damaged") return [this.#change(data as WorldEvents["damaged"])];
		if (kind !== "fault") return [];
		const fault = this.#faults[(data as WorldEvents["fault"]).index];
		return fault?.kind === "power-loss" ? this.#lose(fault.lost) : [];
	}

	/** What the loss of the latest writes that changed the disk brings back. */
	#lose(count: number): StoredChange[] {
		const lost = this.#replaced.slice(-count);
		this.#replaced = [];
		const changes = new Map<number, StoredChange>();
		for (const mutation of lost.reverse().flat()) {
			const change = this.#change(mutation);
			changes.set(change.place, change);
		}
		return [...changes.values()];
	}

	#at(mutation: Mutation): Uint8Array | undefined {
		return this.#values.get(this.#placeOf(mutation));
	}

	#change(mutation: Mutation): StoredChange {
		const place = this.#placeOf(mutation);
		const { table, key, value } = mutation;
		if (value === null) {
			this.#values.delete(place);
			return { place, value: null, bytes: 0 };
		}
		this.#values.set(place, value);
		return { place, value: storedText(this.#reader, table, key, value), bytes: value.byteLength };
	}

	#placeOf({ table, key }: Pick<Mutation, "table" | "key">): number {
		return getOrInsert(this.#numbers, `${table}\0${key}`, () => {
			this.places.push({ table, name: keyText(this.#reader, table, key) });
			return this.places.length - 1;
		});
	}
}

/** How CBOR says `undefined`, in a byte: a value like any other. */
const CBOR_UNDEFINED = 0xf7;

function storedText(reader: StoredReader, table: string, key: string, value: Uint8Array): string {
	const read = described(reader, table, key, value);
	if (read === undefined && value.byteLength === 1 && value[0] === CBOR_UNDEFINED) return "undefined";
	return read === undefined ? `unreadable: ${hexOf(value)}` : valueText(read);
}

function described(reader: StoredReader, table: string, key: string, value: Uint8Array): unknown {
	try {
		return reader.describeValue?.(table, key, value);
	} catch {
		// Damaged bytes may be anything.
		return undefined;
	}
}

const MOST_BYTES = 64;

function hexOf(bytes: Uint8Array): string {
	const hex = Buffer.from(bytes.subarray(0, MOST_BYTES)).toString("hex");
	return bytes.byteLength > MOST_BYTES ? `${hex}… ${bytes.byteLength} bytes` : hex;
}

/** Longer texts are cut: a report is there to be read. */
const MOST_TEXT = 1_000;

/** A value in a line, instants as virtual time. */
export function valueText(value: unknown): string {
	const text = inspect(withVirtualTimes(value, 0), {
		...{ breakLength: Number.POSITIVE_INFINITY, compact: true, depth: 8 },
		...{ maxStringLength: 400, maxArrayLength: 60 },
	});
	return text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT)}… ${text.length} characters`;
}

const MOST_DEPTH = 12;

class VirtualTime {
	readonly #ms: number;

	constructor(ms: number) {
		this.#ms = ms;
	}

	[inspect.custom](): string {
		return `${this.#ms} ms`;
	}
}

/** Dates as the virtual time they are, in plain objects and lists; whatever else holds some is left as it is. */
function withVirtualTimes(value: unknown, depth: number): unknown {
	if (typeof value !== "object" || value === null || depth > MOST_DEPTH) return value;
	if (value instanceof Date) return Number.isNaN(value.getTime()) ? value : new VirtualTime(value.getTime() - EPOCH_MS);
	if (Array.isArray(value)) return value.map((element) => withVirtualTimes(element, depth + 1));
	if (Object.getPrototypeOf(value) !== Object.prototype) return value;
	return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, withVirtualTimes(held, depth + 1)]));
}

/** Plain data that JSON can hold; what it cannot is text. */
function plainOf(value: unknown, depth = 0): unknown {
	if (value === null || typeof value === "string" || typeof value === "boolean") return value;
	if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
	if (value === undefined) return undefined;
	if (value instanceof Uint8Array) return `0x${hexOf(value)}`;
	if (depth > MOST_DEPTH) return "…";
	if (Array.isArray(value)) return value.map((element) => plainOf(element, depth + 1) ?? null);
	if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
		return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, plainOf(held, depth + 1)]));
	}
	return valueText(value);
}

/**
 * How the run ended beside how the same program ends on the executable specification when nothing is in its way. The engine's own
 * uninterrupted run would not do: it may be wrong in the same way.
 */
function compared(run: Run): Pick<RunRecord, "compared" | "expectation"> {
	const { program, scenario, target } = run;
	const specified = { engine: referenceEngine(), storage: target.storage };
	const plain = referenceScenario(program, scenario.hosting.mode);
	const expected = execute(plain, firstReleaseOf(program), specified);
	const row = (what: string, tell: (run: Run) => string): ComparedRow => ({
		...{ what, expected: tell(expected), observed: tell(run) },
	});
	const timing =
		program.timingDependent === undefined ? "" : `; its outcome depends on timing: ${program.timingDependent}`;
	return {
		expectation: `the same program on the reference engine, without interruption${timing}`,
		compared: [
			row("outcome", outcomeText),
			row("outside effects", effectsText),
			row("left in the queue", ({ queued }) => queued.map(({ id }) => id).join(", ") || "nothing"),
		],
	};
}

function outcomeText({ outcome }: Run): string {
	switch (outcome.status) {
		case "completed":
			return `completed with ${valueText(outcome.output)}`;
		case "failed":
		case "unrecoverable":
			return `${outcome.status}: ${outcome.error.name}: ${outcome.error.message}`;
		case "waiting":
			return `waits for ${outcome.names.join(", ") || "any message"}`;
		case "hung":
		case "unfinished":
			return `${outcome.status}: ${outcome.waits.join("; ") || "nothing is waited for"}`;
		case "cancelled":
			return "cancelled";
	}
}

/** Each effect once, with how often it took place. */
function effectsText(run: Run): string {
	const counts = new Map<string, number>();
	for (const { data } of run.of("effect")) {
		const { label, about } = data as WorldEvents["effect"];
		const name = about === undefined ? label : `${label} for ${about}`;
		counts.set(name, (counts.get(name) ?? 0) + 1);
	}
	return [...counts].map(([name, n]) => (n === 1 ? name : `${name} ×${n}`)).join(", ") || "none";
}
