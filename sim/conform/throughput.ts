/** How fast the real engine runs on a driver: workflow steps a second, one process, one workflow after the other. */
import type { Engine, EngineContext, EngineHandle } from "../../drivers/engine/contract.ts";
import { messageOf } from "../../suites/storage-driver/host.ts";
import type { Subject } from "./subject.ts";

/** Steps of one workflow: its history is as long as that. */
const STEPS = 50;
const WARM_UP_STEPS = 5;
const MEASURE_MS = 1_500;

/** Steps a second; a reason in words when a workflow does not finish. */
export async function throughput(subject: Subject, engine: Engine): Promise<number | string> {
	try {
		await workflow(subject, engine, WARM_UP_STEPS);
		let steps = 0;
		let tookMs = 0;
		do {
			tookMs += await workflow(subject, engine, STEPS);
			steps += STEPS;
		} while (tookMs < MEASURE_MS);
		return (steps / tookMs) * 1_000;
	} catch (error) {
		return `no workflow finishes on it: ${messageOf(error)}`;
	}
}

/** Milliseconds that a workflow of so many steps took, without opening and closing. */
async function workflow(subject: Subject, engine: Engine, steps: number): Promise<number> {
	const { plugged, time, limit } = subject;
	const namespace = subject.newNamespace();
	const opened = await limit("open", (async () => plugged.open(namespace))());
	try {
		const run = async (context: EngineContext) => {
			for (let i = 0; i < steps; i++) await context.step(`step-${i}`, async () => i);
		};
		const begunAt = time.now();
		const handle = engine.module.runWorkflow("throughput", run as never, undefined, opened.driver, {
			mode: "live",
		}) as EngineHandle;
		const { state } = await limit("workflow", handle.result);
		if (state !== "completed") throw new Error(`the workflow ended ${state}`);
		return time.now() - begunAt;
	} finally {
		await opened.close?.();
		await subject.destroy(namespace);
	}
}
