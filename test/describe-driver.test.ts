/** What an author of a driver writes among the tests of a project, as docs/drivers.md shows it. */
import { describe, it } from "vitest";
import { memoryDriver } from "../drivers/storage/box/memory.ts";
import { describeDriver } from "../sim/index.ts";

describeDriver(memoryDriver(), { describe, it });
