/** `pnpm sim emit FILE`: writes a vitest file from a reproducer, for a project to keep among its tests. */

import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { inspect } from "node:util";
import { UsageError } from "../../../drivers/engine/contract.ts";
import { describeKeyOf } from "../../../drivers/engine/load.ts";
import { memoryStorage } from "../../../drivers/storage/memory/driver.ts";
import { findingId } from "../../../reports/model.ts";
import { story } from "../../../reports/story.ts";
import { wrap } from "../../../reports/text.ts";
import { decodeEvent } from "../../explore/blame.ts";
import { conditionsOf } from "../../explore/campaign/campaign.ts";
import { faultsOf, type Reproducer, readReproducer } from "../../explore/keep/reproducer.ts";
import { refuse } from "./replay.ts";

export interface EmitOptions {
	/** Engine that the test runs; the recorded one when absent. */
	readonly engine?: string;
	/** File to write; standard output when absent. */
	readonly out?: string;
	/** Whether the test is to be red once the failure is fixed. */
	readonly expectFailure?: boolean;
}

/** What is about runs; emitting makes none. */
const NOT_FOR_EMIT = [
	...["seed", "known", "runs", "for", "program", "suite", "property", "avoid", "expectations"],
	...["save", "doublecheck", "report", "json", "quiet", "verbose"],
];

/** @throws UsageError for a file or an option that is not right. */
export function emit(file: string, options: EmitOptions): void {
	refuse(options, NOT_FOR_EMIT, "emit writes a test and runs nothing");
	const text = vitestFile(readReproducer(file), options);
	if (options.out === undefined) {
		process.stdout.write(text);
		return;
	}
	try {
		writeFileSync(options.out, text);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(
			`No test can be written to ${options.out} (${code}); give a file in a directory that is there.`,
		);
	}
	process.stdout.write(`written: ${options.out}\n`);
}

/** Columns of the emitted file. */
const WIDTH = 100;

/** The test as TypeScript, importing only `faultline` and `vitest`. */
export function vitestFile(reproducer: Reproducer, options: EmitOptions = {}): string {
	const { finding, scenario, target, tool } = reproducer;
	const id = findingId(finding);
	const engine = options.engine ?? target.engine.name;
	const struck = faultsOf(reproducer.events.map(decodeEvent));
	const conditions = conditionsOf(scenario, new Set(struck)).join("; ");
	const comment = [
		...wrap(`${id} on ${target.engine.name}, found by Faultline ${tool}.`, WIDTH, "").split("\n"),
		"",
		...wrap(`${scenario.program}: ${finding.message}`, WIDTH, "").split("\n"),
		...wrap(`(${conditions})`, WIDTH, "").split("\n"),
		"",
		...essence(reproducer),
		"",
		`Run it again: npx vitest run ${options.out === undefined ? "and the name of this file" : basename(options.out)}`,
		"The whole story: pnpm sim replay, with the reproducer that this was written from.",
	];
	const body = options.expectFailure === true ? expectingFailure() : expectingNone(struck);
	const title = `${options.expectFailure === true ? "known failure: " : ""}${id}: ${shorten(finding.message)}`;
	return `/**
${comment.map((line) => ` * ${line.replaceAll("*/", "* /")}`.trimEnd()).join("\n")}
 */
import { reproduce, type Scenario } from 'faultline';
import { expect, test } from 'vitest';

// A published engine, or the built entry of your own: a path from where vitest runs, or a URL.
const engine = ${inspect(engine)};

const scenario: Scenario = ${literal(scenario)};

test(${inspect(title)}, async () => {
	const finding = ${inspect(id)};
${body.map((line) => `\t${line}`).join("\n")}
});
`;
}

/** The beginning of a message, for a title. */
function shorten(message: string): string {
	const line = message.replaceAll(/\s+/g, " ");
	return line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 1)}…`;
}

function expectingNone(struck: readonly number[]): string[] {
	const lines = ["expect(failure).toBeUndefined();"];
	if (struck.length === 0) return ["const { failure } = await reproduce(scenario, { engine, finding });", ...lines];
	return [
		"const { failure, struck } = await reproduce(scenario, { engine, finding });",
		...lines,
		"// A planned fault that finds no place to strike proves nothing: find the place of the crash anew then.",
		`expect(struck).toEqual([${struck.join(", ")}]);`,
	];
}

function expectingFailure(): string[] {
	return [
		"const { failure } = await reproduce(scenario, { engine, finding });",
		"// Once this is red, emit the test again without --expect-failure, to keep the failure away.",
		"expect(failure, 'the known failure is fixed').toBeDefined();",
	];
}

/** Plain data as source text. */
export function literal(data: unknown): string {
	const text = inspect(inspectable(data), {
		depth: null,
		breakLength: WIDTH - 10,
		compact: 3,
		maxArrayLength: null,
		maxStringLength: null,
		numericSeparator: true,
	});
	return text.replaceAll(/^ +/gm, (indent) => "\t".repeat(indent.length / 2));
}

/** Bytes and dates, which messages may hold, are shown by `inspect` in ways that are no source text. */
function inspectable(value: unknown): unknown {
	if (value instanceof Uint8Array) return verbatim(`Uint8Array.of(${[...value].join(", ")})`);
	if (value instanceof Date) return verbatim(`new Date(${value.getTime()})`);
	if (Array.isArray(value)) return value.map(inspectable);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, inspectable(field)]));
}

function verbatim(text: string): unknown {
	return { [inspect.custom]: () => text };
}

/** What decides how a run goes on. */
const LANDMARKS = new Set([
	...["process.start", "process.crash", "fault", "unhandled", "uncaught"],
	...["run.evicting", "run.evicted", "run.rejected", "run.completed"],
]);
/** How many landmarks are told, and how many events right before the failure. */
const MOST_LANDMARKS = 12;
const LAST_EVENTS = 8;

/** The story in short: what struck and what led up to the failure. */
function essence({ events, finding, target }: Reproducer): string[] {
	const remark = findingId(finding);
	const describe = describeKeyOf(target.engine.name);
	const options = {
		width: WIDTH,
		describeKey: (table: string, key: string) => memoryStorage.describeKey(table, key, describe),
	};
	const decoded = events.slice(0, finding.event + 1).map(decodeEvent);
	const told = decoded
		.map((event, index) => ({ event, index }))
		.filter(({ event, index }) => index === finding.event || story([event], { ...options, remarks: [] }) !== "");
	const landmarks = told.filter(({ event }) => LANDMARKS.has(event.kind)).slice(-MOST_LANDMARKS);
	const kept = new Set([...landmarks, ...told.slice(-LAST_EVENTS)]);
	const lines: string[] = [];
	let chunk: typeof told = [];
	const flush = (gap: boolean) => {
		if (chunk.length > 0) {
			const remarks = chunk.flatMap(({ index }, i) => (index === finding.event ? [{ event: i, text: remark }] : []));
			lines.push(
				...story(
					chunk.map(({ event }) => event),
					{ ...options, remarks },
				).split("\n"),
			);
		}
		if (gap && lines.at(-1) !== GAP) lines.push(GAP);
		chunk = [];
	};
	for (const entry of told) {
		if (kept.has(entry)) chunk.push(entry);
		else flush(true);
	}
	flush(false);
	return lines;
}

const GAP = "          ...";
