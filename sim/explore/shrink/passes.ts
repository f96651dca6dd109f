/**
 * What is tried to make a failing scenario smaller, and in which order: passes that take something away or put something simpler in
 * its place, quick ones as long as they find something, then patient ones.
 */
import {
	awaited,
	isWellFormed,
	lessened,
	replaced,
	shortened,
	statementAt,
	unwrapped,
} from "../../../fixtures/generators/edit.ts";
import { countStatements, type Statement } from "../../../fixtures/generators/statement.ts";
import type { WorldEvents } from "../../world/history.ts";
import { type Anchor, moved, placeOf, strikesOf } from "./anchor.ts";
import { type Attempts, type Best, type Candidate, PATIENT, QUICK, type Steps } from "./attempts.ts";
import { decidedCrashes, plain, simplerFaults, simplerMessages, simplerSurroundings } from "./simpler.ts";

/** Places near the start that are tried for each fault. */
const EARLY_PLACES = 16;

export class Passes {
	readonly #attempts: Attempts;

	constructor(attempts: Attempts) {
		this.#attempts = attempts;
	}

	/** The search, a run a step: quick passes as long as they find something, then patient ones. */
	*steps(): Generator<void, void> {
		yield* this.#attempts.attempt(this.#best);
		for (;;) {
			this.#attempts.effort = QUICK;
			let found = false;
			for (const pass of [...this.#structure, ...this.#details]) found = (yield* pass()) || found;
			if (found) continue;
			this.#attempts.effort = PATIENT;
			for (const pass of this.#structure) {
				found = yield* pass();
				if (found) break;
			}
			if (!found) return;
		}
	}

	/** What the scenario consists of. */
	readonly #structure: readonly (() => Steps)[] = [
		() => this.#dropFaults(),
		() => this.#dropStatements(),
		() => this.#rewrite((statement) => [...opened(statement), ...asLists(lessened(statement))]),
		() => this.#dropMessages(),
	];

	/** How it is carried out, and the values in it. */
	readonly #details: readonly (() => Steps)[] = [
		() => this.#surroundings(),
		() => this.#simplifyFaults(),
		() => this.#rewrite((statement) => asLists(shortened(statement))),
		() => this.#simplifyMessages(),
		() => this.#comeEarlier(),
	];

	#dropFaults(): Steps {
		return this.#thin(
			() => this.#best.anchors,
			(anchors) => ({ scenario: this.#best.scenario, anchors }),
		);
	}

	#dropStatements(): Steps {
		const statements = () => this.#best.scenario.statements ?? [];
		return this.#thin(
			() => Array.from({ length: countStatements(statements()) }, (_, place) => place),
			(kept) => {
				const places = new Set(kept);
				return this.#with(replaced(statements(), (_, place) => (places.has(place) ? undefined : [])));
			},
		);
	}

	#dropMessages(): Steps {
		return this.#thin(
			() => this.#attempts.inputsOf(this.#best.scenario),
			(inputs) => ({ ...this.#best, scenario: { ...this.#best.scenario, inputs } }),
		);
	}

	/** Takes items out of a list: all, halves, quarters, single ones, from the end. */
	*#thin<T>(list: () => readonly T[], keeping: (kept: readonly T[]) => Candidate): Steps {
		let found = false;
		for (let size = list().length; size >= 1; size >>= 1) {
			for (let end = list().length; end > 0; ) {
				const begin = Math.max(0, end - size);
				const kept = [...list().slice(0, begin), ...list().slice(end)];
				const taken = yield* this.#attempts.attempt(keeping(kept));
				found ||= taken;
				end = Math.min(begin, list().length);
			}
		}
		return found;
	}

	/** Puts less in the place of each statement, from the end. */
	*#rewrite(less: (statement: Statement) => readonly (readonly Statement[])[]): Steps {
		let found = false;
		for (let place = countStatements(this.#best.scenario.statements ?? []) - 1; place >= 0; ) {
			const statements = this.#best.scenario.statements ?? [];
			const statement = statementAt(statements, place);
			let taken = false;
			for (const replacement of statement === undefined ? [] : less(statement)) {
				const changed = replaced(statements, (_, at) => (at === place ? replacement : undefined));
				taken = isWellFormed(changed) && (yield* this.#attempts.attempt(this.#with(changed)));
				if (taken) break;
			}
			found ||= taken;
			if (!taken) place--;
		}
		return found;
	}

	*#surroundings(): Steps {
		let found = yield* this.#attempts.attempt({ ...this.#best, scenario: plain(this.#best.scenario) });
		for (let again = true; again; ) {
			again = false;
			for (const scenario of simplerSurroundings(this.#best.scenario)) {
				again = yield* this.#attempts.attempt({ ...this.#best, scenario });
				if (again) break;
			}
			again ||= yield* this.#decideFates();
			found ||= again;
		}
		return found;
	}

	/** Says of operations in flight which take effect, instead of drawing it. */
	*#decideFates(): Steps {
		if (this.#best.scenario.inFlight === "lost") return false;
		const { anchors, run } = this.#best;
		const scenario = { ...this.#best.scenario, inFlight: "lost" as const };
		const strikes = strikesOf(run);
		for (const [i, anchor] of anchors.entries()) {
			const crash = run.history.events[(strikes[i]?.ends ?? 0) + 1];
			const inFlight =
				crash?.kind === "process.crash" ? (crash.data as WorldEvents["process.crash"]).inFlight.length : 0;
			for (const fault of decidedCrashes(anchor.fault, inFlight)) {
				if (yield* this.#attempts.attempt({ scenario, anchors: anchors.with(i, { ...anchor, fault }) })) return true;
			}
		}
		return false;
	}

	*#simplifyFaults(): Steps {
		let found = false;
		for (let i = 0; i < this.#best.anchors.length; ) {
			const { scenario, anchors, run } = this.#best;
			const { fault, begins, ends } = strikesOf(run)[i] as ReturnType<typeof strikesOf>[number];
			const writes = run.history.events
				.slice(0, ends)
				.filter(({ kind }) => kind === "durable" || kind === "effect").length;
			let taken = false;
			for (const simpler of simplerFaults(fault, writes)) {
				const anchor = this.#attempts.anchor(run, simpler, begins, ends);
				taken = yield* this.#attempts.attempt({ scenario, anchors: anchors.with(i, anchor) });
				if (taken) break;
			}
			found ||= taken;
			if (!taken) i++;
		}
		return found;
	}

	*#simplifyMessages(): Steps {
		let found = false;
		for (let again = true; again; ) {
			again = false;
			const { scenario } = this.#best;
			for (const inputs of simplerMessages(this.#attempts.inputsOf(scenario), scenario.statements === undefined)) {
				again = yield* this.#attempts.attempt({ ...this.#best, scenario: { ...scenario, inputs } });
				if (again) break;
			}
			found ||= again;
		}
		return found;
	}

	/** Looks for the same failure nearer to the start of the run. */
	*#comeEarlier(): Steps {
		let found = false;
		for (let i = 0; i < this.#best.anchors.length; i++) {
			const { scenario, anchors } = this.#best;
			const { fault } = anchors[i] as Anchor;
			for (let place = 1; place < Math.min(placeOf(fault), EARLY_PLACES); place++) {
				const earlier = moved(fault, place);
				if (earlier === undefined) continue;
				const candidate = { scenario, anchors: anchors.with(i, { fault: earlier, references: [] }) };
				if (!(yield* this.#attempts.attempt(candidate))) continue;
				found = true;
				break;
			}
		}
		return found;
	}

	/** The best scenario with another program, and no messages that nothing waits for. */
	#with(statements: readonly Statement[]): Candidate {
		const { scenario, anchors } = this.#best;
		const inputs = scenario.inputs === undefined ? {} : { inputs: awaited(statements, scenario.inputs) };
		return { scenario: { ...scenario, statements, ...inputs }, anchors };
	}

	get #best(): Best {
		return this.#attempts.best;
	}
}

/** What is inside a statement in its place, when there is something. */
function opened(statement: Statement): readonly (readonly Statement[])[] {
	const inside = unwrapped(statement);
	return inside.length === 0 ? [] : [inside];
}

function asLists(statements: readonly Statement[]): readonly (readonly Statement[])[] {
	return statements.map((statement) => [statement]);
}
