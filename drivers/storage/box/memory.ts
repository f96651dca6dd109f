/** Memory of this process as a storage driver: what was acknowledged survives a close, and nothing else. */
import { createRequire } from "node:module";
import type sortedBTree from "sorted-btree";
import type { DriverClaims, PluggedDriver } from "../contract.ts";
import { engineDriverOver } from "../ordered/driver.ts";
import { compareBytes, type OrderedStore } from "../ordered/store.ts";

const BTree = (createRequire(import.meta.url)("sorted-btree") as typeof sortedBTree).default;
type Tree = sortedBTree.default<Uint8Array, Uint8Array>;

const claims: DriverClaims = {
	atomicBatch: "always",
	durability: "memory",
	alarms: "durable",
	messages: "durable",
	concurrency: "one-process",
};

export function memoryDriver(): PluggedDriver {
	const namespaces = new Map<string, Tree>();
	return {
		name: "memory",
		claims,
		open(namespace) {
			const tree = namespaces.get(namespace) ?? new BTree<Uint8Array, Uint8Array>(undefined, compareBytes);
			namespaces.set(namespace, tree);
			return engineDriverOver(storeOver(tree), claims);
		},
		async destroy(namespace) {
			namespaces.delete(namespace);
		},
	};
}

/** The adapter copies what comes and goes, so nothing is copied here. */
function storeOver(tree: Tree): OrderedStore {
	return {
		get: (key) => tree.get(key) ?? null,
		write(changes) {
			for (const { key, value } of changes) {
				if (value === null) tree.delete(key);
				else tree.set(key, value);
			}
		},
		list(start, end, limit = Number.POSITIVE_INFINITY) {
			const entries: { key: Uint8Array; value: Uint8Array }[] = [];
			if (limit > 0) {
				tree.forRange(start, end, false, (key, value) => {
					entries.push({ key, value });
					return entries.length < limit ? undefined : { break: true };
				});
			}
			return entries;
		},
	};
}
