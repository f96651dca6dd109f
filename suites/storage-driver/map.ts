/** The driver as a byte map: what was written is what is read, and belongs to the driver alone. */
import * as fc from "fast-check";
import { apply, type Command, change, commands, isChange, tellCommand } from "./commands.ts";
import { keys, values } from "./draws.ts";
import type { Host } from "./host.ts";
import { ByteMap, sameBytes } from "./model.ts";
import { Break, driverProperty } from "./property.ts";
import { bytesText, valueText } from "./tell.ts";

/** How what was read of a key differs from what the model holds; undefined when it does not. */
export function difference(model: ByteMap, key: Uint8Array, actual: Uint8Array | null | undefined): Break | undefined {
	const expected = model.get(key);
	const told = `get of ${bytesText(key)} gave ${valueText(actual)}, not ${valueText(expected)}`;
	if (expected === null) {
		if (actual === null) return undefined;
		if (actual === undefined) return new Break("absent-key-is-undefined", `${told}, for a key that is not there`);
		return new Break(model.heldOnce(key, actual) ? "deleted-key-still-there" : "foreign-value", told);
	}
	if (actual === null || actual === undefined) {
		return new Break(expected.byteLength === 0 ? "empty-value-lost" : "value-lost", told);
	}
	if (sameBytes(expected, actual)) return undefined;
	return new Break(model.heldOnce(key, actual) ? "old-value-kept" : "value-altered", told);
}

/** Reads every key that was ever changed. */
export async function sweep(host: Host, model: ByteMap): Promise<void> {
	for (const key of model.touched()) {
		const wrong = difference(model, key, await host.get(key));
		if (wrong !== undefined) throw wrong;
	}
}

export const map = driverProperty<Command[]>({
	id: "storage.map",
	claim: "get, set and delete behave as a byte map: empty values, binary keys, overwriting; an absent key is null.",
	source: "engine: EngineDriver.get, set, delete",
	mutants: ["forgets-deletes", "drops-empty-values", "absent-is-undefined", "decodes-keys", "keeps-first-value"],
	uses: ["get", "set", "delete"],
	draws: () => commands({ get: 2, set: 4, delete: 2 }),
	async run(sequence, bench) {
		const host = await bench.open();
		const model = new ByteMap();
		for (const command of sequence) {
			if (isChange(command)) {
				await change(host, command);
				apply(model, command);
			} else if (command.op === "get") {
				const wrong = difference(model, command.key, await host.get(command.key));
				if (wrong !== undefined) throw wrong;
			}
		}
		await sweep(host, model);
	},
	tell: (sequence) => sequence.map(tellCommand),
});

const WAYS = ["set", "batch"] as const;
const CHANGED = ["value-after", "key-after", "read-value", "read-entry", "value-under-way"] as const;

interface Aliasing {
	readonly key: Uint8Array;
	readonly value: Uint8Array;
	readonly way: (typeof WAYS)[number];
	readonly changed: (typeof CHANGED)[number];
}

export const ownsBytes = driverProperty<Aliasing>({
	id: "storage.owns-bytes",
	claim: "Changing a buffer after writing it, or one that was returned, changes nothing stored.",
	source: "engine: EngineDriver (bytes are handed over)",
	mutants: ["keeps-written-buffer", "hands-out-stored-buffer"],
	uses: ["get", "set", "batch", "list"],
	draws: () =>
		fc.record({
			key: keys,
			value: values.filter(({ byteLength }) => byteLength > 0),
			way: fc.constantFrom(...WAYS),
			changed: fc.constantFrom(...CHANGED),
		}),
	async run({ key, value, way, changed }, bench) {
		const host = await bench.open();
		const [writtenKey, writtenValue] = [Uint8Array.from(key), Uint8Array.from(value)];
		const written =
			way === "set" ? host.set(writtenKey, writtenValue) : host.batch([{ key: writtenKey, value: writtenValue }]);
		if (changed === "value-under-way") invert(writtenValue);
		await written;
		if (changed === "value-after") invert(writtenValue);
		if (changed === "key-after") invert(writtenKey);
		if (changed === "read-value") {
			const read = await host.get(key);
			if (read !== null && read !== undefined) invert(read);
		}
		if (changed === "read-entry") for (const entry of await host.list(key)) invert(entry.key, entry.value);
		await expectUnchanged(host, key, value, way, changed);
	},
	tell: ({ key, value, way, changed }) => [
		`${way} ${bytesText(key)} to ${valueText(value)}`,
		{
			"value-under-way": "change the value's buffer before the answer",
			"value-after": "change the value's buffer",
			"key-after": "change the key's buffer",
			"read-value": "get it, and change the buffer that came",
			"read-entry": "list it, and change the key and the value that came",
		}[changed],
		"get it, and list it",
	],
});

function invert(...buffers: readonly Uint8Array[]): void {
	for (const buffer of buffers) for (const i of buffer.keys()) buffer[i] = (buffer[i] ?? 0) ^ 0xff;
}

async function expectUnchanged(
	host: Host,
	key: Uint8Array,
	value: Uint8Array,
	way: Aliasing["way"],
	changed: Aliasing["changed"],
): Promise<void> {
	const kind = {
		"value-under-way": "keeps-buffer-until-written",
		"value-after": "keeps-written-value",
		"key-after": "keeps-written-key",
		"read-value": "hands-out-stored-value",
		"read-entry": "hands-out-stored-entry",
	}[changed];
	const whose = changed.startsWith("read") ? "that was returned" : `given to ${way}`;
	// Nothing that is published says when a buffer is the caller's again.
	const disputed =
		changed === "value-under-way" ? "the call had not answered yet when its buffer was changed" : undefined;
	const read = await host.get(key);
	if (read === null || read === undefined || !sameBytes(read, value)) {
		const message = `after a buffer ${whose} was changed, get of ${bytesText(key)} gave ${valueText(read)}, not ${valueText(value)}`;
		throw new Break(kind, message, disputed);
	}
	const listed = (await host.list(key)).find((entry) => sameBytes(entry.key, key));
	if (listed === undefined || !sameBytes(listed.value, value)) {
		const message = `after a buffer ${whose} was changed, list of ${bytesText(key)} gave ${listed === undefined ? "another key" : valueText(listed.value)}`;
		throw new Break(kind, message, disputed);
	}
}
