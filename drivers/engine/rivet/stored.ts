/**
 * Reads what the published engine stores, for people: history entries and their metadata (a version, then BARE, as the package's
 * `schemas/v1.bare` lays it out), names, messages of the engine's own, and the fields of the workflow (text or CBOR). What it
 * cannot read it does not guess at: a damaged value stays bytes.
 */
import { Encoder } from "cbor-x";

const cbor = new Encoder({ useRecords: false });

/** The first byte of a key says what is stored: see `keys.ts`. */
const NAMES = "\x15\x01";
const HISTORY = "\x15\x02";
const WORKFLOW = "\x15\x03";
const METADATA = "\x15\x04";

const WORKFLOW_STATE = "\x15\x01";

/** What the bytes under a key hold, as plain data; undefined when they are not what the engine stores there. */
export function describeValue(key: string, value: Uint8Array): unknown {
	try {
		if (key.startsWith(NAMES)) return textOf(value);
		if (key.startsWith(HISTORY)) return new Reader(value).entry();
		if (key.startsWith(METADATA)) return new Reader(value).metadata();
		if (!key.startsWith(WORKFLOW)) return undefined;
		return key.startsWith(WORKFLOW_STATE, WORKFLOW.length) ? textOf(value) : cbor.decode(value);
	} catch {
		return undefined;
	}
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function textOf(bytes: Uint8Array): string {
	return decoder.decode(bytes);
}

const VERSION = 1;
const ENTRY_STATUS = ["pending", "running", "completed", "failed", "exhausted"];
const SLEEP_STATE = ["pending", "completed", "interrupted"];
const BRANCH_STATUS = ["pending", "running", "completed", "failed", "cancelled"];

/** A cursor over BARE. @throws RangeError where the bytes end too early or name what there is not. */
class Reader {
	readonly #bytes: Uint8Array;
	readonly #view: DataView;
	#at = 2;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		if (this.#view.getUint16(0, true) !== VERSION) throw new RangeError("another version");
	}

	entry(): unknown {
		const id = this.#text();
		this.#list(() => this.#segment());
		const kind = this.#kind();
		// The place is in the key already.
		return this.#whole({ ...kind, id });
	}

	metadata(): unknown {
		const status = this.#oneOf(ENTRY_STATUS);
		const error = this.#optional(() => this.#text());
		const attempts = this.#u32();
		const lastAttemptAt = this.#instant();
		const createdAt = this.#instant();
		const completedAt = this.#optional(() => this.#instant());
		const rollbackCompletedAt = this.#optional(() => this.#instant());
		const rollbackError = this.#optional(() => this.#text());
		return this.#whole(
			defined({ status, attempts, error, createdAt, lastAttemptAt, completedAt, rollbackCompletedAt, rollbackError }),
		);
	}

	#kind(): Record<string, unknown> {
		switch (this.#byte()) {
			case 0:
				return defined({ kind: "step", output: this.#optionalValue(), error: this.#optional(() => this.#text()) });
			case 1:
				return defined({ kind: "loop", ...this.#loop() });
			case 2:
				return { kind: "sleep", deadline: this.#instant(), state: this.#oneOf(SLEEP_STATE) };
			case 3:
				return { kind: "message", name: this.#text(), body: this.#value() };
			case 4:
				return { kind: "checkpoint", name: this.#text() };
			case 5:
				return { kind: "join", branches: this.#branches() };
			case 6:
				return defined({ kind: "race", winner: this.#optional(() => this.#text()), branches: this.#branches() });
			case 7:
				return defined({ kind: "removed", was: this.#text(), name: this.#optional(() => this.#text()) });
			case 8:
				return { kind: "version check", resolved: this.#u32(), latest: this.#u32() };
			default:
				throw new RangeError("no kind of entry");
		}
	}

	#loop(): Record<string, unknown> {
		const state = this.#value();
		const iteration = this.#u32();
		return { iteration, state, output: this.#optionalValue() };
	}

	#branches(): Record<string, unknown> {
		const pairs = this.#list(() => {
			const name = this.#text();
			const status = this.#oneOf(BRANCH_STATUS);
			return [name, defined({ status, output: this.#optionalValue(), error: this.#optional(() => this.#text()) })];
		});
		return Object.fromEntries(pairs);
	}

	/** A place in the code: the number of a name, or `[name number, iteration]`. */
	#segment(): unknown {
		const tag = this.#byte();
		if (tag === 0) return this.#u32();
		if (tag === 1) return [this.#u32(), this.#u32()];
		throw new RangeError("no segment");
	}

	#list<T>(item: () => T): T[] {
		const items: T[] = [];
		for (let left = this.#length(); left > 0; left--) items.push(item());
		return items;
	}

	#optionalValue(): unknown {
		return this.#optional(() => this.#value());
	}

	#optional<T>(read: () => T): T | undefined {
		const there = this.#byte();
		if (there > 1) throw new RangeError("neither there nor absent");
		return there === 1 ? read() : undefined;
	}

	#value(): unknown {
		return cbor.decode(this.#slice());
	}

	#text(): string {
		return textOf(this.#slice());
	}

	#slice(): Uint8Array {
		const length = this.#length();
		if (this.#at + length > this.#bytes.length) throw new RangeError("cut short");
		this.#at += length;
		return this.#bytes.subarray(this.#at - length, this.#at);
	}

	#length(): number {
		let value = 0;
		for (let shift = 0; shift < 35; shift += 7) {
			const byte = this.#byte();
			value += (byte & 0x7f) * 2 ** shift;
			if (byte < 0x80) return value;
		}
		throw new RangeError("no length");
	}

	#oneOf(names: readonly string[]): string {
		const name = names[this.#byte()];
		if (name === undefined) throw new RangeError("no such name");
		return name;
	}

	#byte(): number {
		return this.#view.getUint8(this.#at++);
	}

	#u32(): number {
		this.#at += 4;
		return this.#view.getUint32(this.#at - 4, true);
	}

	#instant(): Date {
		this.#at += 8;
		return new Date(Number(this.#view.getBigUint64(this.#at - 8, true)));
	}

	#whole<T>(value: T): T {
		if (this.#at !== this.#bytes.length) throw new RangeError("more than an entry");
		return value;
	}
}

function defined(fields: Record<string, unknown>): Record<string, unknown> {
	return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
