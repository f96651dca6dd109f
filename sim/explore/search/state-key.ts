/**
 * When two crash states are one: equal disk (queue and alarm included, and what it could still lose), equal effects on the
 * outside, the same pending inputs, virtual time and memory of the host. Random ids do not count: they are renamed by the order in which the disk
 * holds them, since an engine cannot tell one UUID from another.
 *
 * Time counts to the millisecond, and so do the timestamps that the disk holds. That parts states which only a reader of
 * the clock could tell apart; it never joins two that differ.
 */
import { createHash } from "node:crypto";
import type { HostState } from "../../../drivers/engine/host.ts";
import { render } from "../../../drivers/engine/render.ts";
import { getOrInsert } from "../../world/collections.ts";
import { type DiskImage, keyFromBytes } from "../../world/disk.ts";
import type { PendingTask } from "../../world/state.ts";

/** A version 4 UUID, as `crypto.randomUUID` writes it. */
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;

/** A text cut at its UUIDs: one more piece than there are ids. */
interface Cut {
	readonly pieces: readonly string[];
	readonly ids: readonly string[];
}

export interface CrashState {
	readonly image: DiskImage;
	readonly counts: ReadonlyMap<string, number>;
	readonly tasks: readonly PendingTask[];
	readonly nowMs: number;
	readonly host: HostState;
}

export class StateKeys {
	/** Disks never change the bytes of a value, so that each is cut once. */
	readonly #values = new WeakMap<Uint8Array, Cut>();
	readonly #keys = new Map<string, Cut>();

	/** Equal for states that are one, and (but for collisions of SHA-256) for no others. */
	keyOf({ image, counts, tasks, nowMs, host }: CrashState): string {
		const names = new Map<string, string>();
		const plain: (readonly [Cut, Cut])[] = [];
		const named: (readonly [Cut, Cut])[] = [];
		for (const [table, tree] of [...image.tables].sort(byName)) {
			tree.forEachPair((key, value) => {
				const cutKey = this.#cutKey(table, key);
				const entry = [cutKey, this.#cutValue(value)] as const;
				(cutKey.ids.length === 0 ? plain : named).push(entry);
			});
		}
		// Keys without ids have an order of their own, which gives ids their names.
		const texts = plain.map(([key, value]) => {
			for (const id of value.ids) if (!names.has(id)) names.set(id, `#${names.size};`);
			return `${renamed(key, names)}=${renamed(value, names)}`;
		});
		texts.push(...named.map(([key, value]) => `${renamed(key, names)}=${renamed(value, names)}`).sort());
		for (const mutations of image.replaced) {
			texts.push(`-${mutations.length}`);
			for (const { table, key, value } of mutations) {
				const replaced = value === null ? "" : renamed(this.#cutValue(value), names);
				texts.push(`${renamed(this.#cutKey(table, key), names)}=${replaced}`);
			}
		}
		for (const [label, count] of [...counts].sort(byName)) texts.push(`*${sized(label)}${count}`);
		for (const { at, name, argument } of tasks) texts.push(`!${sized(name)}${argument} at ${at}`);
		texts.push(`${nowMs} ${host.rejections} ${host.revisited} ${render(host.outcome)}`);
		return createHash("sha256").update(texts.join("\0")).digest("base64");
	}

	#cutKey(table: string, key: string): Cut {
		const text = `${sized(table)}${key}`;
		return getOrInsert(this.#keys, text, () => cut(text));
	}

	#cutValue(value: Uint8Array): Cut {
		let known = this.#values.get(value);
		if (known === undefined) {
			known = cut(keyFromBytes(value));
			this.#values.set(value, known);
		}
		return known;
	}
}

function cut(text: string): Cut {
	const ids = text.match(UUID) ?? [];
	return { pieces: ids.length === 0 ? [text] : text.split(UUID), ids };
}

/**
 * A text with its ids renamed, written so that no two read alike. An id that no key without ids leads to keeps its own name:
 * better two states for one than one for two.
 */
function renamed({ pieces, ids }: Cut, names: ReadonlyMap<string, string>): string {
	let text = sized(pieces[0] as string);
	for (const [i, id] of ids.entries()) text += `${names.get(id) ?? `@${id}`}${sized(pieces[i + 1] as string)}`;
	return text;
}

/** With its length before it, a text says itself where it ends. */
function sized(text: string): string {
	return `${text.length}:${text}`;
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
	return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
