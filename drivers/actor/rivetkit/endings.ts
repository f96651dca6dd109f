/**
 * How a run handler of `rivetkit` ends, for whoever hosts the actor. The runtime tells nobody: an error of the handler is a line in
 * its log, and a workflow that failed for good is not even one. So both are watched from outside, and nothing is changed.
 */
import type { ActorConfig, ActorPlatform, RunHandler } from "../contract.ts";

/** How the function of a workflow last ended: each of its replays in a life ends, with an error or not. */
interface Ending {
	error: unknown;
}

type WorkflowFunction = (context: never) => Promise<unknown>;
type MakeHandler = (run: WorkflowFunction, options?: object) => RunHandler;

export class Endings {
	readonly #endings = new WeakMap<object, Ending>();

	/** Makes the handler of a workflow whose last end is noted. */
	handler(make: MakeHandler, run: WorkflowFunction, options?: object): RunHandler {
		const ending: Ending = { error: undefined };
		const noted: WorkflowFunction = async (context) => {
			ending.error = undefined;
			try {
				return await run(context);
			} catch (error) {
				ending.error = error;
				throw error;
			}
		};
		const handler = make(noted, options);
		this.#endings.set(handler, ending);
		return handler;
	}

	/** The definition with its run handler watched. What ends because the actor stops is no end. */
	watched(config: ActorConfig, platform: Pick<ActorPlatform, "runEnded">): ActorConfig {
		const { run } = config;
		if (run === undefined) return config;
		const ending = this.#endings.get(run);
		const watched = new Proxy(run, {
			apply: async (handler, _self, [context]: [{ readonly abortSignal: AbortSignal }]) => {
				let error: unknown;
				try {
					await handler(context as never);
					error = ending?.error;
				} catch (thrown) {
					error = thrown;
					throw thrown;
				} finally {
					if (!context.abortSignal.aborted) platform.runEnded(error);
				}
			},
		});
		return { ...config, run: watched };
	}
}
