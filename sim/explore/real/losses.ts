/** What may be lost along with a killed process: what was not synced, the server, the connection to it. */

/** Something that is lost with a process, beginning with its kill. */
export interface Loss {
	/** As in a plan and in reports, e.g. `power-loss`. */
	readonly name: string;
	/** What it is, in a few words. */
	readonly meaning: string;
	/** At the moment of the kill, just before it. */
	atKill?(): void;
	/** Real milliseconds that the process gets to hear of it in the midst of an operation; it is killed once that is answered. */
	readonly lingersMs?: number;
	/** When the process is gone, before the next begins. */
	afterKill?(directory: string | undefined): Promise<void>;
}
