/** Words for what the host of a workflow engine and the observer of a workflow write into a history. */
import { time } from "../text.ts";
import { type Data, plainly, type Words } from "./told.ts";

export const ENGINE_WORDS: Words = {
	"message.acknowledged": ({ id, name }) => ({ words: `a client sends ${id} to ${name}; acknowledged` }),
	"run.start": ({ mode, visit }) => ({
		words: visit === "revisit" ? "the finished workflow is run once more" : `the engine runs the workflow (${mode})`,
		tone: "bold",
	}),
	"run.yield": ({ untilMs, names }) => ({
		words: `yields${untilMs === undefined ? "" : ` until ${time(untilMs)}`}${names === undefined ? "" : `, waits for ${names.join(", ") || "any message"}`}`,
	}),
	"run.evicting": () => ({ words: "the host asks it to stop (eviction)" }),
	"run.evicted": ({ state }) => ({ words: `stopped in good order, workflow ${state}` }),
	"run.completed": ({ output }) => ({ words: `completed with ${plainly(output)}`, tone: "good" }),
	"run.rejected": ({ error, state }) => ({
		words: `the run rejected: ${error.name}: ${error.message} (workflow ${state})`,
		tone: "loud",
	}),
	"run.cancelled": () => ({ words: "the disk says that it was cancelled: nothing runs" }),
	"run.again": ({ how }) => ({
		words:
			how === "recover" ? "an operator has the failed workflow recover" : "an operator has the workflow begin anew",
		tone: "bold",
	}),
	"run.left": ({ process, after }) => ({ words: `process ${process} still holds something, ${after}` }),
	"handle.call": ({ operation }) => ({ words: `the operator asks: ${operation}` }),
	"handle.answer": ({ operation, error, state }) => ({
		words:
			error === undefined
				? `${operation} is answered${state === undefined ? "" : ` (${state})`}`
				: `${operation} fails: ${error.name}: ${error.message}`,
	}),
	"replay-from.call": ({ target, records }) => ({
		words: `replay from ${records.find(({ id }: Data) => id === target)?.path ?? "the beginning"}`,
	}),
	"replay-from.answer": ({ error, records, orphans }) => ({
		words:
			error === undefined
				? `replay is set up; left are ${records.map(({ path }: Data) => path).join(", ") || "no entries"}${orphans > 0 ? ` and ${orphans} orphans` : ""}`
				: `replay is refused: ${error.message}`,
	}),
	"replay-from.found": ({ records, orphans }) => ({
		words: `found after the replay was cut short: ${records.map(({ path }: Data) => path).join(", ") || "no entries"}${orphans > 0 ? ` and ${orphans} orphans` : ""}`,
	}),
	"alarm.due": () => ({ words: "the alarm goes off", reaches: "alarm" }),
	"body.start": ({ key }) => ({ words: `step ${key} begins` }),
	"body.end": ({ key, error }) => ({
		words: error === undefined ? `step ${key} ends` : `step ${key} fails: ${error.name}: ${error.message}`,
		verboseOnly: error === undefined,
	}),
	"step.return": ({ key }) => ({ words: `step ${key} has its value` }),
	"sleep.call": ({ key, deadlineMs }) => ({ words: `sleep ${key} until ${time(Math.max(0, deadlineMs))}` }),
	"sleep.return": ({ key }) => ({ words: `sleep ${key} is over` }),
	"queue.call": ({ key, names }) => ({
		words: `${key} asks for ${names.join(", ") || "any message"}`,
		verboseOnly: true,
	}),
	"queue.return": ({ key, ids }) => ({
		words: ids.length === 0 ? `${key} timed out` : `${key} is given ${ids.join(", ")}`,
		...(ids.length === 0 ? {} : { reaches: "queue" }),
	}),
	"message.completed": ({ id }) => ({ words: `${id} is answered` }),
	iterate: ({ key }) => ({ words: `iteration ${key}` }),
	"loop.return": ({ key }) => ({ words: `loop ${key} is over` }),
	"branches.call": ({ key, operation, names }) => ({ words: `${operation} ${key}: ${names.join(", ")}` }),
	"branches.return": ({ key, winner }) => ({
		words: winner === undefined ? `${key} is joined` : `${key} is won by ${winner}`,
	}),
	"compensation.start": ({ key }) => ({ words: `compensation of ${key} begins` }),
	"compensation.end": ({ key, ok }) => ({ words: `compensation of ${key} ${ok ? "ends" : "fails"}` }),
	"workflow.input": ({ value }) => ({ words: `the workflow is given ${value}`, verboseOnly: true }),
	"branch.start": ({ key }) => ({ words: `branch ${key} begins`, verboseOnly: true }),
	"branch.return": ({ key, value }) => ({ words: `branch ${key} ends with ${value}`, verboseOnly: true }),
	"branch.threw": ({ key, error }) => ({
		words: `branch ${key} fails: ${error.name}: ${error.message}`,
		verboseOnly: true,
	}),
	"checkpoint.return": ({ key }) => ({ words: `checkpoint ${key} is passed`, verboseOnly: true }),
	"removed.return": ({ key }) => ({ words: `${key} is recorded as removed`, verboseOnly: true }),
	"version.return": ({ key, version }) => ({ words: `${key} is told version ${version}`, verboseOnly: true }),
	"step.caught": ({ key, error }) => ({
		words: `${key} gives its failure as a value: ${error.name}: ${error.message}`,
		verboseOnly: true,
	}),
	"try.return": ({ key, value, failure }) => ({
		words: failure === undefined ? `${key} ends with ${value}` : `${key} catches ${failure.name} of ${failure.source}`,
		verboseOnly: true,
	}),
	"send.call": ({ key, name }) => ({ words: `${key} sends a message to ${name}`, verboseOnly: true }),
	"send.return": ({ key }) => ({ words: `${key} has sent it`, verboseOnly: true }),
	"message.refused": ({ id, error }) => ({
		words: `answering ${id} is refused: ${error.name}: ${error.message}`,
		verboseOnly: true,
	}),
	threw: ({ key, error }) => ({ words: `${key} fails for the workflow: ${error.name}: ${error.message}` }),
};
