/** How findings about commands are told: on which side the weakness lies, and the frames that show it, in order. */
import type { Mark } from "../../drivers/runner/contract.ts";
import { type ToClient, type ToServer, UNTOLD_GENERATION } from "../../drivers/runner/wire.ts";
import { RUNNER_MUTANTS } from "../../fixtures/mutants/runners/index.ts";
import type { ConnectionEnd } from "../../sim/world/faults.ts";
import type { FrameContent } from "../../sim/world/network.ts";
import type { SubjectProperty } from "../subject.ts";
import { type Account, accountOf, decoded, type FrameFact, type Moment, versionOf } from "./account.ts";
import type { CommandRun } from "./run.ts";

/** Where a weakness lies: in one of the two peers, or in what they are able to say to each other. */
export type Side = "runner" | "server" | "protocol";

export interface Found {
	readonly side: Side;
	readonly kind: string;
	/** What happened, in a sentence. */
	readonly message: string;
	readonly event: number;
	/** Frames that show it, in any order. */
	readonly frames?: readonly FrameFact[];
	readonly disputed?: string;
	/** The event from which it is likely to follow, which another property tells of; undefined when it stands by itself. */
	readonly follows?: number | undefined;
}

export interface CommandPropertyText {
	readonly id: string;
	readonly claim: string;
	readonly source: string;
	find(account: Account): Iterable<Found>;
}

/** A property of the account of a run. Of each kind, what is found first is told. */
export function commandProperty({ find, ...text }: CommandPropertyText): SubjectProperty<CommandRun> {
	return {
		...text,
		mutants: RUNNER_MUTANTS.filter(({ property }) => property === text.id).map(({ name }) => name),
		check: (run) => {
			const first = new Map<string, Found>();
			for (const found of find(accountOf(run))) {
				const known = first.get(found.kind);
				const isWorse = found.follows === undefined && known?.follows !== undefined;
				const isEarlier =
					known !== undefined &&
					found.event < known.event &&
					(found.follows === undefined || known.follows !== undefined);
				if (known === undefined || isWorse || isEarlier) first.set(found.kind, found);
			}
			return [...first.values()].map(({ side, kind, message, event, frames = [], disputed, follows }) => ({
				...{ kind, event: Math.max(event, follows ?? 0) },
				message: `${message} (weakness of the ${side})${sequence(frames)}`,
				...(disputed === undefined ? {} : { disputed }),
				...(follows === undefined ? {} : { residual: true }),
			}));
		},
	};
}

/** What a violation says happened, without on which side the weakness lies and the frames that show it. */
export function withoutFrames(message: string): string {
	return message.replace(/ \(weakness of the (runner|server|protocol)\)(: .*)?$/s, "");
}

/** Frames that are told of a finding. */
const MOST_FRAMES = 6;

function sequence(frames: readonly FrameFact[]): string {
	const ordered = [...new Set(frames)].sort((a, b) => a.number - b.number);
	if (ordered.length === 0) return "";
	const left = ordered.length - MOST_FRAMES;
	const shown = left > 0 ? [...ordered.slice(0, 2), ...ordered.slice(2 - MOST_FRAMES)] : ordered;
	return `: ${shown.map(tellFrame).join("; ")}${left > 0 ? `; ${left} more between` : ""}`;
}

/** A frame in a few words: `frame 9 at 600 ms, server to runner: start a/0 #0`. */
export function tellFrame({ number, from, sent, lost, connection, content, message }: FrameFact): string {
	const way = from === "client" ? "runner to server" : "server to runner";
	const fate = lost === undefined ? "" : ", lost";
	return `frame ${number} at ${sent.at} ms, ${way} over connection ${connection.id}: ${tellContent(content, message)}${fate}`;
}

function tellContent(content: FrameContent, message: ToServer | ToClient | undefined): string {
	if (content.kind === "close") return `close ${content.code} ${content.reason}`.trim();
	return content.kind === "message" ? tellMessage(message) : content.kind;
}

/** What a frame says, in a few words. @param url that its connection was asked for by, which names the version. */
export function tellFrameContent(content: FrameContent, from: ConnectionEnd, url: string): string {
	const message = content.kind === "message" ? decoded(versionOf(url), from, content.payload) : undefined;
	return tellContent(content, message);
}

export function tellMessage(message: ToServer | ToClient | undefined): string {
	if (message === undefined) return "no message";
	switch (message.tag) {
		case "ToClientCommands":
			return message.val
				.map(
					({ checkpoint, inner }) => `${inner.tag === "CommandStartActor" ? "start" : "stop"} ${tellMark(checkpoint)}`,
				)
				.join(", ");
		case "ToServerEvents":
			return message.val.map(({ checkpoint, inner }) => `${tellEvent(inner)} ${tellMark(checkpoint)}`).join(", ");
		case "ToServerAckCommands":
			return `acknowledges commands up to ${message.val.lastCommandCheckpoints.map(tellMark).join(", ") || "none"}`;
		case "ToClientAckEvents":
			return `acknowledges events up to ${message.val.lastEventCheckpoints.map(tellMark).join(", ")}`;
		case "ToClientInit":
			return `Init as ${message.val.runnerId.slice(0, 8)}`;
		default:
			return message.tag.replace(/^To(Server|Client)/, "");
	}
}

type EventContent = Extract<ToServer, { readonly tag: "ToServerEvents" }>["val"][number]["inner"];

function tellEvent(event: EventContent): string {
	if (event.tag === "EventActorSetAlarm") return "alarm";
	if (event.tag === "EventActorIntent")
		return event.val.intent.tag === "ActorIntentSleep" ? "sleep intent" : "stop intent";
	const { state } = event.val;
	return state.tag === "ActorStateRunning" ? "running" : `stopped (${state.val.code})`;
}

/** `a/0 #3`: an actor, its generation, an index. */
export function tellMark({
	actorId,
	generation,
	index,
}: Omit<Mark, "index"> & { readonly index: number | bigint }): string {
	return `${actorId}/${generation === UNTOLD_GENERATION ? "?" : generation} #${index}`;
}

export function tellOf({ actorId, generation }: Pick<Mark, "actorId" | "generation">): string {
	return `${actorId}/${generation}`;
}

export const seconds = ({ at }: Moment): string => `${at} ms`;
