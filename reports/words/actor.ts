/** Words for what actors, their hosts and their clients write into a history. */
import { plural, time } from "../text.ts";
import { type Data, plainly, type Words } from "./told.ts";

const errorText = (error: Data): string => `${error.name}: ${error.message}`;
const again = (attempt: number): string => (attempt > 1 ? `, attempt ${attempt}` : "");

export const ACTOR_WORDS: Words = {
	"actor.start": ({ why }) => ({ words: `the actor starts (${why})`, tone: "bold" }),
	"actor.ready": () => ({ words: "the actor is ready for clients", verboseOnly: true }),
	"actor.start-failed": ({ error }) => ({ words: `the actor cannot start: ${errorText(error)}`, tone: "loud" }),
	"actor.broken": ({ error }) => ({ words: `the actor cannot go on: ${errorText(error)}`, tone: "loud" }),
	"actor.sleeping": ({ why }) => ({ words: `the actor is put to sleep (${why})` }),
	"actor.asleep": ({ alarmMs }) => ({
		words: `the actor is asleep${alarmMs === undefined ? ", without an alarm" : ` until ${time(Math.max(0, alarmMs))}`}`,
	}),
	"actor.destroying": () => ({ words: "the actor is destroyed" }),
	"actor.destroyed": () => ({ words: "nothing of the actor is stored any more" }),
	"actor.run-ended": ({ error }) => ({
		words: error === undefined ? "the run handler is over" : `the run handler fails: ${errorText(error)}`,
		tone: error === undefined ? "good" : "loud",
	}),
	"actor.alarm-due": () => ({ words: "the alarm goes off" }),
	"actor.broadcast": ({ event, values }) => ({ words: `event ${event} leaves for clients: ${values}`, mark: "effect" }),
	"actor.log": ({ level, text }) => ({ words: `${level}: ${text}`, tone: "quiet" }),
	"actor.told": ({ what, data }) => ({
		words: `the actor tells: ${what}${data === undefined ? "" : ` ${plainly(data)}`}`,
	}),
	"actor.image": ({ when, state, messages, size }) => ({
		words: `stored at the ${when}: state ${state}, ${plural(messages.length, "message")}${size === undefined || size === messages.length ? "" : ` (the queue says ${size})`}`,
		mark: "look",
	}),
	"actor.waits": ({ waits }) => ({ words: `${waits} waits for messages are open`, verboseOnly: true }),
	"client.send": ({ id, name, attempt }) => ({
		words: `a client sends ${id} to ${name}${again(attempt)}`,
		mark: "effect",
	}),
	"client.acknowledged": ({ id }) => ({ words: `${id} is acknowledged`, tone: "good" }),
	"client.answered": ({ id, status, response }) => ({
		words: `${id} is answered: ${status} ${response}`,
		tone: "good",
	}),
	"client.refused": ({ id, error }) => ({ words: `${id} is refused: ${errorText(error)}`, tone: "loud" }),
	"client.lost": ({ id }) => ({ words: `nobody will answer ${id}: the life that was asked is over`, tone: "loud" }),
	"client.act": ({ name, attempt }) => ({ words: `a client calls ${name}${again(attempt)}`, mark: "effect" }),
	"client.acted": ({ name, output }) => ({ words: `${name} gives ${output}`, tone: "good" }),
	"client.read": ({ when, text }) => ({
		words: `the state as an action gives it${when === "new-life" ? ", in a new life" : ""}: ${text}`,
		mark: "look",
	}),
	"platform.damaged": ({ what, id }) => ({
		words: `damaged on the disk: ${what}${id === undefined ? "" : ` ${id}`}`,
		tone: "loud",
		mark: "fault",
		reaches: "disk",
	}),
	"actor.body": ({ path, attempt, state }) => ({ words: `step ${path} begins${again(attempt)}, state ${state}` }),
	"actor.body-end": ({ path, error, state }) => ({
		words:
			error === undefined
				? `step ${path} ends, state ${state}`
				: `step ${path} fails, leaving ${state}: ${errorText(error)}`,
		...(error === undefined ? {} : { tone: "loud" }),
	}),
	"actor.step": ({ path, error }) => ({
		words: error === undefined ? `step ${path} has its value` : `step ${path} has failed for good: ${errorText(error)}`,
		verboseOnly: error === undefined,
	}),
	"actor.wait": ({ path, names, deadlineMs }) => ({
		words: `${path} asks for ${names.join(", ") || "any message"}${deadlineMs === undefined ? "" : ` until ${time(Math.max(0, deadlineMs))}`}`,
		verboseOnly: true,
	}),
	"actor.given": ({ path, messages }) => ({
		words:
			messages.length === 0
				? `${path} is given nothing in time`
				: `${path} is given ${messages.map(({ id }: Data) => id).join(", ")}`,
	}),
	"actor.wait-failed": ({ path, error }) => ({ words: `${path} fails: ${errorText(error)}`, tone: "loud" }),
	"actor.complete": ({ id }) => ({ words: `the workflow answers ${id}` }),
	"actor.completed": ({ id, error }) => ({
		words: error === undefined ? `the answer to ${id} is taken` : `the answer to ${id} is refused: ${errorText(error)}`,
		verboseOnly: error === undefined,
	}),
	"actor.sleep-call": ({ path, deadlineMs }) => ({ words: `sleep ${path} until ${time(Math.max(0, deadlineMs))}` }),
	"actor.slept": ({ path }) => ({ words: `sleep ${path} is over` }),
	"actor.threw": ({ path, error }) => ({ words: `${path} fails for the workflow: ${errorText(error)}` }),
};
