/** What every run of a subject tells of the world that it was made in. */
import type { SubjectRun } from "../../../suites/subject.ts";
import type { World } from "../../world/world.ts";

export function endsOf(world: World): Omit<SubjectRun, "scenario"> {
	const { history, fired, nowMs, events, writes } = world;
	return { history, fired, endMs: nowMs, events, writes };
}
