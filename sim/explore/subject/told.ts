/** The events of a run as stories and reports tell them: frames with what they say, in place of their bytes. */
import type { HistoryEvent } from "../../world/history.ts";
import type { NetworkEvents } from "../../world/network.ts";
import type { Subject } from "./subject.ts";

export function eventsToTell(
	{ describeFrame }: Pick<Subject, "describeFrame">,
	events: readonly HistoryEvent[],
): readonly HistoryEvent[] {
	if (describeFrame === undefined) return events;
	const urls = new Map<number, string>();
	const ends = new Map<number, { readonly connection: number; readonly from: string; readonly text: string }>();
	return events.map((event) => {
		const { kind, data } = event;
		if (kind === "connection.asked") {
			const { connection, url } = data as NetworkEvents["connection.asked"];
			urls.set(connection, url);
		} else if (kind === "frame.sent") {
			const { frame, connection, from, content } = data as NetworkEvents["frame.sent"];
			const text = describeFrame(content, from, urls.get(connection) ?? "");
			ends.set(frame, { connection, from, text });
			return { ...event, data: { frame, connection, from, text } };
		} else if (kind === "frame.arrived" || kind === "frame.lost") {
			const said = data as NetworkEvents["frame.lost"];
			return { ...event, data: { ...said, ...ends.get(said.frame) } };
		}
		return event;
	});
}
