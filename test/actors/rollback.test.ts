/**
 * What becomes of what a failed attempt did to state and vars, on every runtime and at every crash point: the table in docs/actors.md
 * is this count. Rows of versions that cannot be installed here are not compared.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ActorTarget } from "../../drivers/actor/contract.ts";
import { referenceActor } from "../../drivers/actor/reference/reference.ts";
import { NEEDS } from "../../drivers/actor/rivetkit/package.ts";
import { rivetkitActors } from "../../drivers/actor/rivetkit/target.ts";
import { actorProgram } from "../../fixtures/actors/index.ts";
import { installedInPart, PackageUnavailable } from "../../sim/cli/machine/packages.ts";
import { inMacrotask } from "../../sim/world/interpose.ts";
import { type ActorRun, runActor, undisturbedScenario } from "../../suites/actor/run.ts";

const LIMIT_MS = 120_000;
const page = readFileSync(new URL("../../docs/actors.md", import.meta.url), "utf8");

async function targetOf(name: string): Promise<ActorTarget | undefined> {
	if (name === "reference") return referenceActor();
	const version = name.replace("rivetkit-", "");
	const need = NEEDS.get(version);
	if (need === undefined) throw new Error(`Nobody says what ${name} needs.`);
	try {
		return await rivetkitActors(version, await installedInPart(need, () => {}));
	} catch (error) {
		if (!(error instanceof PackageUnavailable)) throw error;
		return undefined;
	}
}

/** What an attempt finds, beside what the failed one before it found and left. */
type Found = "as before" | "as left" | "neither";

class Tally {
	readonly #counts = new Map<Found, number>();

	add(found: string, before: string, left: string): void {
		const what = found === before ? "as before" : found === left ? "as left" : "neither";
		this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
	}

	get text(): string {
		return (["as before", "as left", "neither"] as const)
			.flatMap((what) => (this.#counts.has(what) ? [`${what} ${this.#counts.get(what)}`] : []))
			.join(", ");
	}
}

/** Each failed attempt of the step with the attempt of the same message that followed it: there is one message at a time. */
function count(run: ActorRun, state: Tally, vars: Tally, afterCrash: Tally): void {
	const bodies = run.of("actor.body").filter(({ data }) => data.path === "jobs/apply");
	for (const [place, { process, data, place: at }] of bodies.entries()) {
		const next = bodies[place + 1];
		const end = run
			.of("actor.body-end")
			.find((one) => one.data.call === data.call && one.data.attempt === data.attempt)?.data;
		if (end?.error === undefined || next === undefined) continue;
		const given = (body: { readonly process: number; readonly place: number }) =>
			run.of("actor.given").findLast((one) => one.process === body.process && one.place < body.place)?.data.messages[0]
				?.id;
		if (given({ process, place: at }) !== given(next)) continue;
		if (next.process === process) {
			state.add(next.data.state, data.state, end.state);
			vars.add(next.data.vars, data.vars, varsAfter(data.vars, given(next) ?? ""));
		} else afterCrash.add(next.data.state, data.state, end.state);
	}
}

/** What the fixture's body makes of vars. */
function varsAfter(before: string, id: string): string {
	return before
		.replace(/"attempts": (\d+)/, (_, attempts) => `"attempts": ${Number(attempts) + 1}`)
		.replace(/"last": (null|"[^"]*")/, `"last": "${id}"`);
}

async function rowOf(name: string, target: ActorTarget): Promise<string[]> {
	const program = actorProgram("failing-steps");
	const [state, vars, afterCrash] = [new Tally(), new Tally(), new Tally()];
	const calm = undisturbedScenario(program.name);
	const { writes } = await inMacrotask(() => runActor(calm, program, target));
	for (let write = 1; write <= writes; write++) {
		for (const side of ["before", "after"] as const) {
			const scenario = { ...calm, faults: [{ kind: "crash", write, side } as const] };
			count(await inMacrotask(() => runActor(scenario, program, target)), state, vars, afterCrash);
		}
	}
	return [name, target.capabilities.stepState, String(2 * writes), state.text, vars.text, afterCrash.text];
}

describe("the table of what failed attempts leave", () => {
	const names = ["reference", ...[...NEEDS.keys()].map((version) => `rivetkit-${version}`)];

	test("has a row for every runtime", () => {
		expect(
			[...page.matchAll(/^\| `([a-z0-9.-]+)` +\| (?:rollback|roll-forward|none) /gm)].map(([, name]) => name),
		).toEqual(names);
	});

	test.each(names)("is what comes of %s", { timeout: LIMIT_MS }, async (name) => {
		const target = await targetOf(name);
		const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\` `));
		if (target === undefined) return expect(row, `${name} cannot be installed here`).toBeDefined();
		const cells = row?.split("|").map((cell) => cell.trim().replaceAll("`", ""));
		expect(cells?.slice(1, -1)).toEqual(await rowOf(name, target));
	});
});
