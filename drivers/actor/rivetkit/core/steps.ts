/**
 * From 2.3 on a step gets a context of its own, and only that one reaches the actor; before, the workflow's did, while a step ran.
 * Definitions are written the old way: here a workflow's context passes what concerns the actor to the context of the step that
 * runs, or ran last. The step's own rules then hold: once it is over it refuses. Where no step ever ran there is nothing to reach.
 */

/** What a step's context has and the workflow's has not. */
const OF_STEPS: ReadonlySet<PropertyKey> = new Set(["state", "vars", "db", "client", "broadcast", "destroy"]);

type Run = (...values: never[]) => Promise<unknown>;
interface StepConfig {
	readonly run: Run;
	readonly rollback?: Run;
}
type Loose = Record<PropertyKey, unknown>;
type Method = (...values: unknown[]) => unknown;

/** Where a context keeps the step that it passes things to; those around it hear of it, too. */
interface Place {
	step: Loose | undefined;
	readonly around: Place | undefined;
}

/** The context of a workflow as definitions expect it. */
export function withSteps<C extends object>(context: C, around?: Place): C {
	const place: Place = { step: undefined, around };
	const inner = (child: object) => withSteps(child, place);
	const own: Loose = {
		step: (first: unknown, run?: Run) => call(context, "step", stepArguments(first, run, place)),
		tryStep: (first: unknown, run?: Run) => call(context, "tryStep", stepArguments(first, run, place)),
		loop: (first: unknown, run?: Run) => call(context, "loop", blockArguments(first, run, inner)),
		try: (first: unknown, run?: Run) => call(context, "try", blockArguments(first, run, inner)),
		join: (name: string, branches: Readonly<Record<string, { readonly run: Run }>>) => {
			const wrapped = Object.entries(branches).map(([key, branch]) => [key, inBlock(branch, inner)]);
			return call(context, "join", [name, Object.fromEntries(wrapped)]);
		},
		race: (name: string, branches: readonly { readonly run: Run }[]) =>
			call(context, "race", [name, branches.map((branch) => inBlock(branch, inner))]),
	};
	return new Proxy(context, {
		get(target, property) {
			if (OF_STEPS.has(property)) return ofStep(place.step, property);
			if (property === "queue") return queueOf(target as Loose, place);
			const method = (target as Loose)[property];
			if (typeof method !== "function") return method;
			return own[property] ?? (method as Method).bind(target);
		},
		set(_target, property, value) {
			return place.step !== undefined && Reflect.set(place.step, property, value);
		},
	});
}

function call(context: object, method: string, values: readonly unknown[]): unknown {
	return ((context as Loose)[method] as Method).apply(context, [...values]);
}

function ofStep(step: Loose | undefined, property: PropertyKey): unknown {
	const value = step?.[property];
	return typeof value === "function" ? (value as Method).bind(step) : value;
}

function queueOf(context: Loose, place: Place): object {
	const { next, nextBatch } = context.queue as Loose;
	const { send } = (place.step?.queue ?? {}) as Loose;
	return { next, nextBatch, send };
}

/** `step("name", run)` or `step({ name, run, rollback })`, with the step that runs made known. */
function stepArguments(first: unknown, run: Run | undefined, place: Place): unknown[] {
	if (typeof first === "string") return [first, run && inStep(run, place)];
	const config = first as StepConfig;
	const { rollback } = config;
	const undone =
		rollback &&
		((step: Loose, output: unknown) =>
			inStep((() => rollback(...([step, output] as never[]))) as Run, place)(step as never));
	return [{ ...config, run: inStep(config.run, place), ...(undone === undefined ? {} : { rollback: undone }) }];
}

function inStep(run: Run, place: Place): Run {
	return (async (step: Loose) => {
		for (let at: Place | undefined = place; at !== undefined; at = at.around) at.step = step;
		return run();
	}) as Run;
}

function blockArguments(first: unknown, run: Run | undefined, inner: (child: object) => object): unknown[] {
	if (typeof first === "string") return [first, run && inBlock({ run }, inner).run];
	return [inBlock(first as { readonly run: Run }, inner)];
}

function inBlock<B extends { readonly run: Run }>(block: B, inner: (child: object) => object): B {
	const { run } = block;
	return { ...block, run: (child: object, ...rest: unknown[]) => run(...([inner(child), ...rest] as never[])) };
}
