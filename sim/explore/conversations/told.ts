/** Frames of a server in words that name actors as the conversation does: `start a/0/0`, whatever ids the server gave them. */
import type { ActorCheckpoint, CommandWrapper, ToClient } from "@rivetkit/engine-runner-protocol";
import type { CommandName } from "../../../fixtures/conversations/conversation.ts";

/** Names of what servers give random ids, in the order of their first appearance. */
export class Names {
	readonly #actors = new Map<string, string>();
	readonly #runners: string[] = [];

	actor(id: string, name: string): void {
		this.#actors.set(id, name);
	}

	actorOf(id: string): string {
		return this.#actors.get(id) ?? "unknown";
	}

	/** `runner 1`, and another for each id that was not there before. */
	runnerOf(id: string): string {
		if (!this.#runners.includes(id)) this.#runners.push(id);
		return `runner ${this.#runners.indexOf(id) + 1}`;
	}

	place({ actorId, generation, index }: ActorCheckpoint): string {
		return `${this.actorOf(actorId)}/${generation}/${index}`;
	}

	command({ checkpoint, inner }: CommandWrapper): CommandName {
		return `${this.place(checkpoint)} ${inner.tag === "CommandStartActor" ? "start" : "stop"}` as CommandName;
	}
}

/** What a frame says; undefined for what time alone causes. */
export function told(frame: ToClient, names: Names): string | undefined {
	switch (frame.tag) {
		case "ToClientInit":
			return `init ${names.runnerOf(frame.val.runnerId)}`;
		case "ToClientCommands": {
			// Actors come in the order of their ids, which are random: within one actor the order stays.
			const inOrder = [...frame.val].sort((a, b) =>
				byName(names.actorOf(a.checkpoint.actorId), names.actorOf(b.checkpoint.actorId)),
			);
			return `commands ${inOrder.map((command) => names.command(command)).join(", ")}`;
		}
		case "ToClientAckEvents":
			return `events up to ${frame.val.lastEventCheckpoints.map((checkpoint) => names.place(checkpoint)).join(", ")}`;
		default:
			return undefined;
	}
}

function byName(a: string, b: string): number {
	return a < b ? -1 : Number(a > b);
}

/** Whether the commands of a frame stand in the order of their keys: actor id, generation, index. @param keyOf an id, as it is ordered. */
export function inKeyOrder(commands: readonly CommandWrapper[], keyOf: (actorId: string) => string): boolean {
	return commands.every(({ checkpoint }, i) => {
		const before = commands[i - 1]?.checkpoint;
		if (before === undefined) return true;
		if (before.actorId !== checkpoint.actorId) return byName(keyOf(before.actorId), keyOf(checkpoint.actorId)) < 0;
		if (before.generation !== checkpoint.generation) return before.generation < checkpoint.generation;
		return before.index < checkpoint.index;
	});
}
