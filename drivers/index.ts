/** What can be plugged in: the contracts of engines, storage drivers, actors and runners, and how each is found by name. */
export type * from "./actor/contract.ts";
export type { Engine, EngineContext, EngineModule, Feature } from "./engine/contract.ts";
export { UsageError } from "./engine/contract.ts";
export { loadEngine } from "./engine/load.ts";
export { NEWEST, PUBLISHED } from "./engine/rivet/engine.ts";
export type {
	DriverClaims,
	EngineDriver,
	OpenedStorage,
	PluggedDriver,
	StorageDriver,
	WorldStorage,
} from "./storage/contract.ts";
export { memoryStorage } from "./storage/memory/driver.ts";
export { engineDriverOver } from "./storage/ordered/driver.ts";
export type { Change, OrderedStore, StoredEntry } from "./storage/ordered/store.ts";
