/** The world by itself: virtual time, seeded chance, processes that die, a disk and what may go wrong. It knows nothing of workflows. */
export type { Disk, Entry } from "./disk.ts";
export { bytesFromKey, keyFromBytes } from "./disk.ts";
export {
	describeFault,
	type Fault,
	type FaultKind,
	type FaultPlan,
	type Latency,
	NO_LATENCY,
	parseFault,
} from "./faults.ts";
export { HarnessError } from "./harness-error.ts";
export { type ErrorFact, encodeEvent, History, type HistoryEvent, type Mutation, type WorldEvents } from "./history.ts";
export { inMacrotask } from "./interpose.ts";
export type { Process } from "./process.ts";
export { EPOCH_MS, type Limits, type Stop, World } from "./world.ts";
