/**
 * A process that is to be killed: one host running the real engine on a real driver in real time. It does what its job says,
 * asks its parent before and after each operation, and ends when the run has come to its end.
 */
import { Socket } from "node:net";
import { Host } from "../../../drivers/engine/host.ts";
import { loadEngine } from "../../../drivers/engine/load.ts";
import type { StepRule } from "../../../drivers/engine/observe.ts";
import type { PluggedDriver } from "../../../drivers/storage/contract.ts";
import { loadDriver } from "../../../drivers/storage/load.ts";
import { Session } from "../../../drivers/storage/session.ts";
import { programOf } from "../../../fixtures/generators/interpret.ts";
import { PROGRAMS } from "../../../fixtures/programs/index.ts";
import type { Program, ProgramInput } from "../../../fixtures/programs/program.ts";
import { WORKFLOW_ID, workloadOf } from "../../../suites/run.ts";
import type { Scenario } from "../../../suites/scenario.ts";
import { HarnessError } from "../../world/harness-error.ts";
import { errorFact } from "../../world/history.ts";
import { EPOCH_MS } from "../../world/world.ts";
import { type DriverSource, type Job, listen, type Operation, type Said, say as sayTo, type Told } from "./protocol.ts";
import { type Handshake, RealStorage } from "./storage.ts";
import { RealSurroundings } from "./surroundings.ts";

const TO_PARENT = 3;
const FROM_PARENT = 4;

const say = (message: Said) => sayTo(TO_PARENT, message);
const waiting = new Map<number, (told: Extract<Told, { kind: "go" }>) => void>();
let ids = 0;
/** What the job's program and storage make of a message to be sent, and of the question how things stand. */
let send: (place: number) => void = () => {};
let conclude: () => void = () => {};

/** Says something and waits for the parent's word. */
function ask(question: (id: number) => Said): Promise<Extract<Told, { kind: "go" }>> {
	const id = ++ids;
	return new Promise((resolve) => {
		waiting.set(id, resolve);
		say(question(id));
	});
}

/** The wall clock as the rest of the run has it: real, from the start of a world on. */
function shiftClock(startedAtMs: number): void {
	const shift = EPOCH_MS - startedAtMs;
	const RealDate = Date;
	function Shifted(this: unknown, ...parts: unknown[]): unknown {
		if (new.target === undefined) return new RealDate(RealDate.now() + shift).toString();
		return Reflect.construct(RealDate, parts.length === 0 ? [RealDate.now() + shift] : parts, new.target);
	}
	const now = RealDate.now.bind(RealDate);
	Object.assign(Shifted, { now: () => now() + shift, parse: RealDate.parse, UTC: RealDate.UTC });
	Shifted.prototype = RealDate.prototype;
	globalThis.Date = Shifted as unknown as DateConstructor;
}

function programIn(scenario: Scenario): Program {
	if (scenario.statements !== undefined) return programOf(scenario.statements, scenario.inputs, scenario);
	const program = PROGRAMS.find(({ name }) => name === scenario.program);
	if (program === undefined) throw new HarnessError("program", `There is no program ${scenario.program}.`);
	return scenario.inputs === undefined ? program : { ...program, inputs: scenario.inputs };
}

function driverOf({ name, settings, packages }: DriverSource): Promise<PluggedDriver> {
	return loadDriver(name, {
		...settings,
		packageDirectory: async (wanted, version) => {
			const directory = packages[`${wanted}@${version}`];
			if (directory === undefined) throw new HarnessError("package", `${wanted} ${version} is not installed.`);
			return directory;
		},
	});
}

async function live(job: Job): Promise<void> {
	shiftClock(job.startedAtMs);
	// Stacks name files of this machine, and engines store them.
	Error.stackTraceLimit = 0;
	const [engine, plugged] = [await loadEngine(job.engine), await driverOf(job.driver)];
	const program = programIn(job.scenario);
	const world = new RealSurroundings(
		job.lives,
		say,
		() => host.state(),
		() => conclude(),
	);
	const handshake: Handshake = {
		before: (process, operation, kept) =>
			ask((id) => ({ kind: "before", id, at: world.nowMs, process: process.id, operation, kept })),
		after: async (id, answered) => {
			await new Promise((resolve) => {
				waiting.set(id, resolve);
				say({ kind: "after", id, at: world.nowMs, answered });
			});
		},
		opened: async (contents) => {
			await ask((id) => ({ kind: "opened", id, contents }));
		},
	};
	const session = new Session(plugged, job.namespace);
	const storage = new RealStorage(world, session, handshake, WORKFLOW_ID, job);
	const stepRules = new (class extends Map<string, StepRule> {
		override set(key: string, rule: StepRule): this {
			if (!this.has(key)) say({ kind: "rule", key, rule });
			return super.set(key, rule);
		}
	})();
	const workload = workloadOf(program, { world, engine, stepRules }, async (process, label, about) => {
		const operation: Operation = { what: "call", label, about };
		return (await handshake.before(process, operation, true)).value as number;
	});
	const host = new Host(world, engine, storage, job.hosting, workload, job.host);
	conclude = () => {
		if (storage.isOpening) return;
		const outcome = world.hasPlans ? undefined : host.conclude("quiescent");
		say({ kind: "done", at: world.nowMs, outcome });
	};
	for (const [event, kind] of [
		["unhandledRejection", "unhandled"],
		["uncaughtException", "uncaught"],
	] as const) {
		process.on(event, (error: unknown) => {
			world.note(kind, { error: errorFact(error) });
			process.exit(1);
		});
	}
	send = (place) => {
		const { name, body } = (program.inputs ?? [])[place] as ProgramInput;
		const message = { id: `m${place + 1}`, name, data: body, sentAt: Date.now() };
		storage.send(message, place).catch(failed);
	};
	// What is sent before the namespace is open waits for it.
	await storage.start();
	host.start();
}

function failed(error: unknown): void {
	say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
	process.exit(1);
}

const pipe = new Socket({ fd: FROM_PARENT, readable: true, writable: false });
listen<Told>(pipe, (told) => {
	if (told.kind === "job") live(told.job).catch(failed);
	else if (told.kind === "send") send(told.place);
	else if (told.kind === "conclude") conclude();
	else {
		const resolve = waiting.get(told.id);
		waiting.delete(told.id);
		resolve?.(told);
	}
});
// Nobody is left to hear.
pipe.on("close", () => process.exit(0));
say({ kind: "ready" });
