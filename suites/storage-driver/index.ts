/** Every property of a storage driver, in the order in which they are checked and reported. */
import { alarms } from "./alarms.ts";
import { batch } from "./batches.ts";
import { concurrent } from "./concurrent.ts";
import { contract } from "./contract.ts";
import { durable, isolated } from "./durable.ts";
import { limits } from "./limits.ts";
import { ranges, sortedList } from "./lists.ts";
import { map, ownsBytes } from "./map.ts";
import { messages } from "./messages.ts";
import type { DriverProperty } from "./property.ts";

export const DRIVER_PROPERTIES: readonly DriverProperty[] = [
	...[contract, map, ownsBytes, sortedList, ranges, batch],
	...[durable, isolated, concurrent, alarms, messages, limits],
];
