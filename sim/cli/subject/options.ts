/** What the command line says of an actor or a runner, checked, and what is made of it. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { PackageNeed } from "../../../drivers/actor/rivetkit/package.ts";
import { UsageError } from "../../../drivers/engine/contract.ts";
import {
	type Expectation,
	type Meanings,
	parseExpectations,
	parseMeanings,
} from "../../../fixtures/expectations/expectations.ts";
import type { SubjectScenario } from "../../../suites/subject.ts";
import type { Commands, JudgedProperty } from "../../explore/campaign/result.ts";
import { propertiesOf } from "../../explore/subject/judge.ts";
import { SubjectLab } from "../../explore/subject/lab.ts";
import { packagesOf, type SubjectSpec, subjectFrom } from "../../explore/subject/spec.ts";
import type { Subject, SubjectKind } from "../../explore/subject/subject.ts";
import type { FaultKind } from "../../world/faults.ts";
import { describeFault } from "../../world/faults.ts";
import { installedInPart } from "../machine/packages.ts";
import { quote } from "../options.ts";
import { unknown } from "../unknown.ts";

/** Options of every command that runs an actor or a runner. */
export interface SubjectOptions {
	readonly actor?: string;
	readonly runner?: string;
	/** The server that a runner talks to. */
	readonly server?: string;
	readonly program?: readonly string[];
	readonly suite?: readonly string[];
	readonly property?: readonly string[];
	readonly faults?: readonly FaultKind[];
	readonly expectations?: string;
}

export interface PreparedSubject {
	readonly spec: SubjectSpec;
	readonly subject: Subject;
	readonly lab: SubjectLab;
	readonly expectations: Expectation<SubjectScenario>[];
}

/** What has no meaning for actors and runners. */
const ONLY_ENGINES = ["driver", "avoid", "lacking", "mode", "order", "compare"] as const;
/** What only campaigns take. */
const ONLY_CAMPAIGNS = ["shard", "corpus"] as const;

/** @throws UsageError for a name that is none, or a target that cannot run here. */
export async function prepareSubject(options: SubjectOptions): Promise<PreparedSubject> {
	const { actor, runner, server, program, faults } = options;
	if (actor !== undefined && runner !== undefined) {
		throw new UsageError("--actor and --runner each name what is under test: give one of them.");
	}
	if (server !== undefined && runner === undefined) throw new UsageError("--server is what a --runner talks to.");
	const wrong = ONLY_ENGINES.find((name) => Reflect.get(options, name) !== undefined);
	if (wrong !== undefined) {
		throw new UsageError(
			`--${wrong} is about workflow engines: leave it out with --${actor === undefined ? "runner" : "actor"}.`,
		);
	}
	const many = ONLY_CAMPAIGNS.find((name) => Reflect.get(options, name) !== undefined);
	if (many !== undefined) throw new UsageError(`--${many} is for exploring: pnpm sim${targetOptions(options)}.`);
	const subjectKind: SubjectKind = actor === undefined ? "runner" : "actor";
	const named = {
		subject: subjectKind,
		target: actor ?? runner ?? "",
		...(server === undefined ? {} : { against: server }),
	};
	const packages: Record<string, string> = {};
	for (const need of packagesOf(named)) packages[`${need.name}@${need.version}`] = await installedOrUsage(need);
	const base: SubjectSpec = {
		...named,
		...(program === undefined ? {} : { programs: program }),
		...(faults === undefined ? {} : { faults }),
		packages,
	};
	const subject = await subjectFrom(base);
	const chosen = chooseIds(subject, options);
	const spec = chosen === undefined ? base : { ...base, properties: chosen };
	const lab = new SubjectLab(subject, propertiesOf(subject, chosen));
	return { spec, subject, lab, expectations: loadSubjectExpectations(subject, options.expectations) };
}

/** @throws UsageError when it cannot be installed. */
async function installedOrUsage(need: PackageNeed): Promise<string> {
	try {
		return await installedInPart(need, (text) => process.stderr.write(`${text}\n`));
	} catch (error) {
		throw new UsageError(error instanceof Error ? error.message : String(error));
	}
}

function chooseIds(subject: Subject, { suite, property }: SubjectOptions): readonly string[] | undefined {
	if (suite === undefined && property === undefined) return undefined;
	const ids = new Set<string>();
	for (const name of suite ?? []) {
		const properties = subject.suites.get(name);
		if (properties === undefined) {
			throw new UsageError(unknown("suite", name, [...subject.suites.keys()], ` of ${subject.kind}s`));
		}
		for (const { id } of properties) ids.add(id);
	}
	const all = propertiesOf(subject, undefined).map(({ id }) => id);
	for (const id of property ?? []) {
		if (!all.includes(id)) {
			throw new UsageError(unknown("property", id, all, ` of ${subject.kind}s`));
		}
		ids.add(id);
	}
	return all.filter((id) => ids.has(id));
}

/** The properties as a report lists them. */
export function judgedProperties(subject: Subject): JudgedProperty[] {
	const seen = new Set<string>();
	return [...subject.suites].flatMap(([suite, properties]) =>
		properties.flatMap(({ id, claim, source }) => {
			if (seen.has(id)) return [];
			seen.add(id);
			return [{ id, suite, claim, source }];
		}),
	);
}

/** Lists of known failures, and what they mean, by kind of subject. */
const DIRECTORY = fileURLToPath(new URL("../../../fixtures/expectations/", import.meta.url));

/** Where the known failures of a subject are listed. */
export function subjectExpectationsFile({ kind, target }: Pick<Subject, "kind" | "target">): string {
	const name = kind === "runner" ? `${target.name}-on-${target.against}` : target.name;
	return `${DIRECTORY}${kind}s/${name}.json`;
}

/** What failures of that kind of subject mean, whatever list they are on. */
export function subjectMeanings(kind: SubjectKind): Meanings {
	const file = `${DIRECTORY}${kind}s/meanings.yaml`;
	return existsSync(file) ? parseMeanings(readFileSync(file, "utf8"), file) : new Map();
}

/** @throws UsageError when a file was named that is not there; ExpectationError when it is not right. */
export function loadSubjectExpectations(
	subject: Pick<Subject, "kind" | "target">,
	file: string | undefined,
): Expectation<SubjectScenario>[] {
	if (file === "none") return [];
	const path = file ?? subjectExpectationsFile(subject);
	if (!existsSync(path)) {
		if (file === undefined) return [];
		throw new UsageError(`No list of known failures at ${file}; give a JSON or YAML file, or "none".`);
	}
	return parseExpectations<SubjectScenario>(readFileSync(path, "utf8"), path, subjectMeanings(subject.kind));
}

/** ` --actor NAME`, ` --runner NAME --server NAME`. */
export function targetOptions({ actor, runner, server }: SubjectOptions): string {
	if (actor !== undefined) return ` --actor ${quote(actor)}`;
	return ` --runner ${quote(runner ?? "")}${server === undefined ? "" : ` --server ${quote(server)}`}`;
}

/** The options that decide what a seed means, as they are typed. */
export function subjectDrawing(options: SubjectOptions): string {
	const program = options.program === undefined ? "" : ` --program ${options.program.join(",")}`;
	const faults = options.faults === undefined ? "" : ` --faults ${options.faults.join(",")}`;
	return targetOptions(options) + program + faults;
}

/** The commands that show a run of a subject again. */
export function subjectCommands(options: SubjectOptions, subject: Subject): Commands {
	return {
		commandFor: (seed) => `pnpm sim --seed ${seed}${subjectDrawing(options)}`,
		commandForKnown: (id) => `pnpm sim --known ${id}${targetOptions(options)}`,
		commandForFile: (file) => `pnpm sim replay ${quote(file)}`,
		commandForScenario: (scenario) => {
			const plan = scenario.faults.length === 0 ? "none" : `"${scenario.faults.map(describeFault).join("; ")}"`;
			const ways = subject.uninterrupted(scenario.program);
			const way = ways.findIndex(({ seed }) => seed === scenario.seed);
			const named =
				way < 0
					? ` --seed ${scenario.seed}${subjectDrawing(options)}`
					: `${targetOptions(options)} --program ${scenario.program}${ways.length > 1 ? ` --way ${way + 1}` : ""}`;
			return `pnpm sim${named} --plan ${plan}`;
		},
	};
}
