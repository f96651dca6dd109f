/**
 * What a driver throws where nobody waits for it. Node would end the process; here it is a finding about the driver that was under test.
 */
import { messageOf } from "../../suites/storage-driver/host.ts";

export interface Stray {
	readonly kind: "unhandled-rejection" | "uncaught-exception";
	readonly message: string;
	/** What was under test when it showed. */
	readonly during: string;
}

/** Does the work, and gives what nobody waited for meanwhile beside its result. */
export async function withStrays<T>(
	work: () => Promise<T>,
	during: () => string,
): Promise<{ readonly result: T; readonly strays: readonly Stray[] }> {
	const strays: Stray[] = [];
	const note = (kind: Stray["kind"]) => (error: unknown) => {
		if (!strays.some((stray) => stray.kind === kind))
			strays.push({ kind, message: messageOf(error), during: during() });
	};
	const [rejected, thrown] = [note("unhandled-rejection"), note("uncaught-exception")];
	process.on("unhandledRejection", rejected);
	process.on("uncaughtException", thrown);
	try {
		const result = await work();
		// Node tells of a rejection only once the promises that are under way have had their turn.
		await new Promise((resolve) => setImmediate(resolve));
		return { result, strays };
	} finally {
		process.off("unhandledRejection", rejected);
		process.off("uncaughtException", thrown);
	}
}
