/** What comes before everything else: the driver opens, is whole, answers as it should, and claims what can be tested. */
import * as fc from "fast-check";
import type { DriverClaims } from "../../drivers/storage/contract.ts";
import { DRIVER_METHODS, MESSAGE_METHODS } from "../../drivers/storage/plug.ts";
import { type Host, typeOf } from "./host.ts";
import { type Bench, Break, type Claimed, type DriverMethod, driverProperty } from "./property.ts";

const WORDS: Readonly<Record<string, readonly string[]>> = {
	atomicBatch: ["none", "within-limits", "always"],
	durability: ["memory", "process-crash", "power-loss"],
	alarms: ["none", "volatile", "durable"],
	messages: ["none", "volatile", "durable"],
	concurrency: ["one-process", "many-processes"],
};

export const contract = driverProperty<null>({
	id: "storage.contract",
	claim: "The driver opens, has every method, each answers with a promise, and each claim is one that can be tested.",
	source: "types: EngineDriver, WorkflowMessageDriver",
	mutants: ["misses-a-method", "answers-at-once", "claims-what-cannot-be-tested", "throws-at-open", "never-answers"],
	uses: [],
	draws: () => fc.constant(null),
	async run(_, bench) {
		checkClaims(bench);
		const { driver, tellsAlarm } = await bench.open();
		const lacking = missing(driver);
		if (lacking.length > 0) throw new Break("method-missing", `the driver has no ${lacking.join(", no ")}`);
		if (bench.said.has("alarms") && bench.claims.alarms !== "none" && !tellsAlarm) {
			throw new Break("claim-untestable", "alarms are claimed, and the opened storage has no alarm() to tell them by");
		}
		if (typeof driver.workerPollInterval !== "number" || !(driver.workerPollInterval >= 0)) {
			const message = `workerPollInterval is ${typeOf(driver.workerPollInterval)}, no number of milliseconds`;
			throw new Break("poll-interval-missing", message);
		}
		await checkAnswers(bench);
	},
	tell: () => ["open a namespace, and call every method once"],
});

/** The methods that an opened driver lacks. */
export function missing(driver: unknown): DriverMethod[] {
	const has = (object: unknown, method: string) =>
		typeof (object as Record<string, unknown> | null | undefined)?.[method] === "function";
	const { messageDriver } = driver as { readonly messageDriver?: unknown };
	return [
		...DRIVER_METHODS.filter((method) => !has(driver, method)),
		...MESSAGE_METHODS.filter((method) => !has(messageDriver, method)),
	];
}

function checkClaims({ claims }: Claimed): void {
	for (const [name, value] of Object.entries(claims)) {
		if (name === "limits") continue;
		const words = WORDS[name];
		if (words === undefined) throw new Break("claim-unknown", `there is no claim "${name}"`);
		if (!words.includes(value as string)) {
			throw new Break(
				"claim-unknown",
				`${name} is claimed to be ${JSON.stringify(value)}; it is one of ${words.join(", ")}`,
			);
		}
	}
	const limits: NonNullable<DriverClaims["limits"]> = claims.limits ?? {};
	for (const [name, value] of Object.entries(limits)) {
		if (Number.isSafeInteger(value) && value > 0) continue;
		throw new Break("claim-untestable", `the limit ${name} is ${String(value)}, no whole number above 0`);
	}
	if (claims.atomicBatch === "within-limits" && limits.batchEntries === undefined && limits.batchBytes === undefined) {
		throw new Break(
			"claim-untestable",
			'atomicBatch is claimed "within-limits", and neither batchEntries nor batchBytes says which; claim "always", or a limit',
		);
	}
}

/** Each method once, as the engine would call it; what it answers is looked at where that says something. */
async function checkAnswers(bench: Bench): Promise<void> {
	const host = await bench.open("answers");
	const { driver } = host;
	const [key, value] = [Uint8Array.of(1), Uint8Array.of(2)];
	const message = { id: "m1", name: "n", data: null, sentAt: 1 };
	const calls: [DriverMethod, () => unknown][] = [
		["set", () => driver.set(key, value)],
		["get", () => driver.get(key)],
		["list", () => driver.list(key)],
		["batch", () => driver.batch([{ key, value }])],
		["delete", () => driver.delete(key)],
		["batchDelete", () => driver.batchDelete([key])],
		["deletePrefix", () => driver.deletePrefix(key)],
		["deleteRange", () => driver.deleteRange(key, value)],
		["setAlarm", () => driver.setAlarm("workflow", 1_790_000_000_000)],
		["clearAlarm", () => driver.clearAlarm("workflow")],
		["addMessage", () => driver.messageDriver.addMessage(message)],
		["receiveMessages", () => driver.messageDriver.receiveMessages({ count: 1, completable: false })],
		["completeMessage", () => driver.messageDriver.completeMessage("m1")],
	];
	// What is not claimed need not work.
	const alarms = bench.claims.alarms === "none" ? [] : ["setAlarm", "clearAlarm"];
	const queue: readonly string[] = bench.claims.messages === "none" ? [] : MESSAGE_METHODS;
	const claimed = calls.filter(([method]) => !/Alarm|Message/.test(method) || [...alarms, ...queue].includes(method));
	for (const [method, call] of claimed) {
		let answer: unknown;
		await host.ask(method, async () => {
			answer = call();
			await answer;
		});
		if (!isPromise(answer)) throw new Break("answers-at-once", `${method} gave ${typeOf(answer)}, no promise`);
	}
	if (bench.claims.messages !== "none") await checkWait(host);
	await host.get(key);
	await host.list(key);
	await host.close();
}

async function checkWait({ driver }: Host): Promise<void> {
	const abort = new AbortController();
	const wait = driver.waitForMessages(["never"], abort.signal);
	if (!isPromise(wait)) throw new Break("answers-at-once", `waitForMessages gave ${typeOf(wait)}, no promise`);
	wait.catch(() => {});
	abort.abort();
}

function isPromise(answer: unknown): answer is Promise<unknown> {
	return typeof (answer as { readonly then?: unknown } | null | undefined)?.then === "function";
}
