/**
 * The demultiplexer of events: one channel an actor, in which events wait for their turn, so that one slow actor holds up no
 * other. A channel that has been idle for a while is collected.
 */
import type { EventWrapper } from "../wire.ts";

export interface ChannelBatch {
	readonly runnerId: string;
	/** The connection that they came over. */
	readonly connection: number;
	readonly events: readonly EventWrapper[];
}

export interface ChannelSettings {
	readonly idleMs: number;
	/** What the published demultiplexer does wrong, or never did (`rules.ts`). */
	readonly rules: {
		readonly abortsChannels?: boolean;
		readonly dropsWhenClosed?: boolean;
		readonly keepsChannels?: boolean;
	};
	/** Has events take effect; settles when they have. */
	take(actorId: string, batch: ChannelBatch): Promise<void>;
	onMade(actorId: string): void;
	onCollected(actorId: string, pending: number): void;
}

interface Channel {
	readonly waiting: ChannelBatch[];
	busy: boolean;
	lastSeenMs: number;
	/** Whether what it holds, or gets, is dropped. */
	closed: boolean;
}

export class Demultiplexer {
	readonly #settings: ChannelSettings;
	readonly #channels = new Map<string, Channel>();

	constructor(settings: ChannelSettings) {
		this.#settings = settings;
	}

	push(actorId: string, batch: ChannelBatch): void {
		let channel = this.#channels.get(actorId);
		if (channel === undefined) {
			channel = { waiting: [], busy: false, lastSeenMs: Date.now(), closed: false };
			this.#channels.set(actorId, channel);
			this.#settings.onMade(actorId);
			this.#collectLater(actorId, channel, this.#settings.idleMs);
		}
		channel.lastSeenMs = Date.now();
		if (channel.closed) return;
		channel.waiting.push(batch);
		if (!channel.busy) void this.#work(actorId, channel);
	}

	async #work(actorId: string, channel: Channel): Promise<void> {
		channel.busy = true;
		while (channel.waiting.length > 0 && !channel.closed) await this.#settings.take(actorId, nextOf(channel.waiting));
		channel.busy = false;
	}

	#collectLater(actorId: string, channel: Channel, afterMs: number): void {
		if (this.#settings.rules.keepsChannels === true) return;
		setTimeout(() => {
			const idleMs = Date.now() - channel.lastSeenMs;
			if (idleMs < this.#settings.idleMs) {
				this.#collectLater(actorId, channel, this.#settings.idleMs - idleMs);
			} else if (channel.busy && this.#settings.rules.abortsChannels !== true) {
				this.#collectLater(actorId, channel, this.#settings.idleMs);
			} else this.#collect(actorId, channel);
		}, afterMs);
	}

	#collect(actorId: string, channel: Channel): void {
		const pending = channel.waiting.splice(0).reduce((sum, { events }) => sum + events.length, 0);
		channel.closed = true;
		if (this.#settings.rules.dropsWhenClosed !== true) this.#channels.delete(actorId);
		this.#settings.onCollected(actorId, pending);
	}
}

/** What has come of one runner since the last batch, as one; it is answered over the connection that brought the last of it. */
function nextOf(waiting: ChannelBatch[]): ChannelBatch {
	const [first] = waiting as [ChannelBatch];
	const other = waiting.findIndex(({ runnerId }) => runnerId !== first.runnerId);
	const batches = waiting.splice(0, other < 0 ? waiting.length : other);
	const { connection } = batches.at(-1) as ChannelBatch;
	return { runnerId: first.runnerId, connection, events: batches.flatMap(({ events }) => events) };
}
