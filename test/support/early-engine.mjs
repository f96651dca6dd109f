/** The published engine, whose sleeps are over too early by half: a failure that no published version has. */
import { runWorkflow as published } from "@rivetkit/workflow-engine";

export * from "@rivetkit/workflow-engine";

export function runWorkflow(workflowId, workflow, input, driver, options) {
	const hasty = (context, given) => {
		const sleep = context.sleep.bind(context);
		context.sleep = (name, durationMs) => sleep(name, durationMs / 2);
		return workflow(context, given);
	};
	return published(workflowId, hasty, input, driver, options);
}
