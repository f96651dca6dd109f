/**
 * Makes a failing scenario of a subject small: fewer faults, earlier ones, and what the subject itself knows to leave out, as long
 * as the same property breaks in the same way. Greedy and deterministic; the budget counts runs.
 */
import { isDeepStrictEqual } from "node:util";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { Fault, FaultPlan } from "../../world/faults.ts";
import { inMacrotask } from "../../world/interpose.ts";
import type { SubjectJudgement } from "./judge.ts";
import type { SubjectLab } from "./lab.ts";

export interface SubjectShrunk {
	readonly scenario: SubjectScenario;
	/** Runs that it took. */
	readonly runs: number;
	/** Whether everything was tried; false when the budget or the signal ended it before. */
	readonly exhausted: boolean;
}

export interface SubjectShrinkOptions {
	/** Runs after which it ends with what it has. */
	readonly budget: number;
	readonly signal?: AbortSignal;
	readonly onProgress?: (runs: number) => void;
}

/** The smallest scenario found that shows the same finding; the scenario itself when it does not show it. */
export async function shrinkSubject(
	lab: SubjectLab,
	scenario: SubjectScenario,
	{ property, kind }: { readonly property: string; readonly kind: string },
	{ budget, signal, onProgress }: SubjectShrinkOptions,
): Promise<SubjectShrunk> {
	let runs = 0;
	const fails = async (candidate: SubjectScenario): Promise<SubjectJudgement | undefined> => {
		runs++;
		onProgress?.(runs);
		const judgement = await inMacrotask(() => lab.judge(candidate));
		if (judgement === undefined) return undefined;
		const same = judgement.violations.some((shown) => shown.property.id === property && shown.violation.kind === kind);
		return same ? judgement : undefined;
	};
	let judged = await fails(scenario);
	if (judged === undefined) return { scenario, runs, exhausted: false };
	let best = withoutUnfired(scenario, judged);
	if (best !== scenario) judged = (await fails(best)) ?? judged;
	const isOver = () => runs >= budget || signal?.aborted === true;
	let smaller = true;
	while (smaller && !isOver()) {
		smaller = false;
		for (const candidate of candidatesOf(lab, best)) {
			if (isOver()) break;
			if (isDeepStrictEqual(candidate, best)) continue;
			const judgement = await fails(candidate);
			if (judgement === undefined || !isSmaller(judgement, judged)) continue;
			[best, judged] = [withoutUnfired(candidate, judgement), judgement];
			smaller = true;
			break;
		}
	}
	return { scenario: best, runs, exhausted: !smaller };
}

/** What did not strike changes nothing. */
function withoutUnfired(scenario: SubjectScenario, { run, unfired }: SubjectJudgement): SubjectScenario {
	if (unfired.length === 0) return scenario;
	return { ...scenario, faults: scenario.faults.filter((_, place) => run.fired.has(place)) };
}

/** By faults that struck, then by how much happened, then by how much the scenario says, then by how late the faults strike. */
function sizeOf({ run }: SubjectJudgement): readonly number[] {
	const coordinates = run.scenario.faults.reduce((sum, fault) => sum + coordinateOf(fault), 0);
	return [
		run.fired.size,
		JSON.stringify({ ...run.scenario, faults: [] }).length,
		run.history.events.length,
		coordinates,
	];
}

function isSmaller(a: SubjectJudgement, b: SubjectJudgement): boolean {
	const [sizes, others] = [sizeOf(a), sizeOf(b)];
	const place = sizes.findIndex((size, i) => size !== others[i]);
	return place >= 0 && (sizes[place] as number) < (others[place] as number);
}

function* candidatesOf({ subject }: SubjectLab, scenario: SubjectScenario): Generator<SubjectScenario> {
	const { faults } = scenario;
	const withFaults = (plan: FaultPlan): SubjectScenario => ({ ...scenario, faults: plan });
	if (faults.length > 1) yield withFaults([]);
	for (let place = faults.length - 1; place >= 0; place--) yield withFaults(faults.filter((_, i) => i !== place));
	for (const candidate of subject.smaller(scenario)) {
		yield candidate;
		// With less in the way the same place is reached sooner.
		for (const plan of earlier(candidate.faults)) yield { ...candidate, faults: plan };
	}
	for (const plan of earlier(faults)) yield withFaults(plan);
}

/** The names of the fields that say where a fault strikes. */
const COORDINATES = ["write", "event", "operation", "alarm", "frame", "connection"] as const;

function coordinateOf(fault: Fault): number {
	return COORDINATES.reduce((sum, name) => sum + Number(Reflect.get(fault, name) ?? 0), 0);
}

/** Plans with one fault at an earlier place: halfway, and nearby. */
function* earlier(faults: FaultPlan): Generator<FaultPlan> {
	for (const [place, fault] of faults.entries()) {
		for (const name of COORDINATES) {
			const at: unknown = Reflect.get(fault, name);
			if (typeof at !== "number") continue;
			for (const to of new Set([1, Math.floor(at / 2), at - 3, at - 2, at - 1])) {
				if (to < 1 || to >= at) continue;
				yield faults.map((other, i) => (i === place ? ({ ...other, [name]: to } as Fault) : other));
			}
		}
	}
}
