/**
 * The published engine with a leak: with its third batch it stores something of the process it runs in, its number and the
 * hour of its time zone. Two runs in one process are equal; two processes make two histories.
 */
import { runWorkflow as published } from "@rivetkit/workflow-engine";

export * from "@rivetkit/workflow-engine";

/** A key that the engine does not use. */
const KEY = Uint8Array.of(0xff);

export function runWorkflow(workflowId, workflow, input, driver, options) {
	let batches = 0;
	const leaking = new Proxy(driver, {
		get(_, name) {
			if (name === "batch") return (writes) => driver.batch(++batches === 3 ? [...writes, leak()] : writes);
			const member = driver[name];
			return typeof member === "function" ? member.bind(driver) : member;
		},
	});
	return published(workflowId, workflow, input, leaking, options);
}

function leak() {
	const text = `process ${process.pid}, hour ${new Date(0).getHours()}`;
	return { key: KEY, value: new TextEncoder().encode(text) };
}
