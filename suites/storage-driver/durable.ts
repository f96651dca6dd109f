/** What is there after a close, and what other workflows see of it. Real crashes are the matter of `--kills`. */
import * as fc from "fast-check";
import { apply, type Command, change, commands, isChange, tellCommand } from "./commands.ts";
import type { Host } from "./host.ts";
import { difference, sweep } from "./map.ts";
import { ByteMap, sameBytes } from "./model.ts";
import { Break, driverProperty } from "./property.ts";
import { bytesText, counted, valueText } from "./tell.ts";

const OPERATIONS = { set: 4, delete: 2, batch: 2, batchDelete: 1, deletePrefix: 1, deleteRange: 1 } as const;

export const durable = driverProperty<Command[]>({
	id: "storage.durable",
	claim:
		"What was acknowledged is there when the namespace is opened anew, after a close and after what else is claimed.",
	source: "engine: EngineDriver (what is flushed is replayed by the next process)",
	mutants: ["forgets-last-write-at-close", "brings-back-deleted-keys", "drops-writes-while-closing"],
	uses: ["get", "set", "delete", "batch", "batchDelete", "deletePrefix", "deleteRange"],
	skips: ({ single }) => (single ? "a plain driver object cannot be closed and opened anew" : undefined),
	unclaimed: ({ claims }) => [
		claims.durability === "memory"
			? "the death of the process: durability is memory"
			: "the death of the process: pnpm sim kills tests it",
	],
	weight: 2,
	draws: () => commands({ ...OPERATIONS, reopen: 3, "late-set": 1 }),
	async run(sequence, bench) {
		const host = await bench.open();
		const model = new ByteMap();
		for (const command of [...sequence, { op: "reopen" } as const]) {
			if (isChange(command)) {
				await change(host, command);
				apply(model, command);
			} else if (command.op === "reopen") await acrossClose(host, model);
			else if (command.op === "late-set") await duringClose(host, model, command.key, command.value);
		}
	},
	tell: (sequence) => [...sequence.map(tellCommand), "close, and open anew"],
});

async function acrossClose(host: Host, model: ByteMap): Promise<void> {
	// What is wrong before is another property's matter, and not to be told as lost by the close.
	const wrongBefore = new Set<string>();
	for (const key of model.touched()) {
		if (difference(model, key, (await host.get(key)) ?? null) !== undefined) wrongBefore.add(bytesText(key));
	}
	await host.reopen();
	for (const key of model.touched()) {
		const actual = (await host.get(key)) ?? null;
		const wrong = difference(model, key, actual);
		if (wrong === undefined || wrongBefore.has(bytesText(key))) continue;
		const expected = model.get(key);
		const kind =
			expected === null ? "deleted-key-back" : actual === null ? "acknowledged-write-lost" : "older-value-back";
		throw new Break(kind, `opened anew, ${wrong.message}`);
	}
}

/** A write that meets a close may be refused; if it is acknowledged, it is there afterwards. */
async function duringClose(host: Host, model: ByteMap, key: Uint8Array, value: Uint8Array): Promise<void> {
	const closed = host.startClose().catch(() => {});
	const refused = await host.set(key, value).then(
		() => undefined,
		(error: Break) => error,
	);
	if (refused?.kind.endsWith("-hangs")) throw refused;
	await host.ask("close", () => closed);
	await host.openAnew();
	const actual = (await host.get(key)) ?? null;
	const there = actual !== null && sameBytes(actual, value);
	if (refused === undefined && !there) {
		const told = `set of ${bytesText(key)} was acknowledged while the namespace was being closed`;
		throw new Break("acknowledged-while-closing-lost", `${told}; opened anew, it is ${valueText(actual)}`);
	}
	// What was refused may have been carried out all the same.
	if (there) model.set(key, value);
}

interface Apart {
	/** Names of the namespaces, of which one begins with another. */
	readonly names: readonly [string, string];
	readonly commands: readonly { readonly at: 0 | 1; readonly command: Command }[];
	readonly alarmMs: number;
}

const NAMES: readonly (readonly [string, string])[] = [
	["a", "a-1"],
	["a", "a1"],
	["a-1", "a-2"],
	["1", "11"],
	["a", "b"],
];
const WORKFLOW = "workflow";

export const isolated = driverProperty<Apart>({
	id: "storage.isolated",
	claim: "Two workflows never see each other's keys, alarms or messages.",
	source: "engine: EngineDriver (each workflow has its own isolated namespace)",
	mutants: ["leaks-prefixes", "shares-alarms", "shares-messages", "clears-every-namespace"],
	uses: ["get", "set", "delete", "batch", "deletePrefix", "deleteRange", "list"],
	skips: ({ single }) =>
		single ? "a plain driver object has one namespace; export a function that makes one" : undefined,
	weight: 1.5,
	draws: () =>
		fc.record({
			names: fc.constantFrom(...NAMES) as fc.Arbitrary<[string, string]>,
			commands: commands({ set: 4, delete: 1, batch: 2, deletePrefix: 1, deleteRange: 1 }, { maxLength: 12 }).chain(
				(sequence) =>
					fc
						.array(fc.constantFrom(0 as const, 1 as const), { minLength: sequence.length, maxLength: sequence.length })
						.map((sides) => sequence.map((command, i) => ({ at: sides[i] ?? 0, command }))),
			),
			alarmMs: fc.integer({ min: 1, max: 2 ** 41 }),
		}),
	async run({ names, commands, alarmMs }, bench) {
		const hosts = [await bench.open(names[0]), await bench.open(names[1])] as const;
		const models = [new ByteMap(), new ByteMap()] as const;
		for (const { at, command } of commands) {
			if (!isChange(command)) continue;
			await change(hosts[at], command);
			apply(models[at], command);
			await expectOwnKeys(hosts[1 - at] as Host, models[1 - at] as ByteMap, names, 1 - at);
		}
		await expectOwnKeys(hosts[0], models[0], names, 0);
		if (bench.claims.alarms !== "none") await expectOwnAlarm(hosts, names, alarmMs);
		if (bench.claims.messages !== "none") await expectOwnMessages(hosts, names);
	},
	tell: ({ names, commands, alarmMs }) => [
		...commands.map(({ at, command }) => `in ${names[at]}: ${tellCommand(command)}`),
		`in ${names[0]}: set the alarm of ${WORKFLOW} at ${alarmMs}`,
		`in ${names[0]}: add a message`,
		`look into ${names[0]} and ${names[1]}`,
	],
});

async function expectOwnKeys(host: Host, model: ByteMap, names: readonly string[], at: number): Promise<void> {
	const [own, other] = [names[at], names[1 - at]];
	const expected = model.list();
	const listed = await host.list(new Uint8Array());
	const foreign = listed.find(({ key }) => !expected.some((entry) => sameBytes(entry.key, key)));
	if (foreign !== undefined) {
		throw new Break("foreign-key", `${own} lists ${bytesText(foreign.key)}, which only ${other} was given`);
	}
	if (listed.length < expected.length) {
		const counts = `${listed.length} of ${counted(expected.length, "key")}`;
		throw new Break("key-lost-to-another", `${own} lists ${counts} after a change in ${other}`);
	}
	try {
		await sweep(host, model);
	} catch (error) {
		if (!(error instanceof Break) || !VALUES.has(error.kind)) throw error;
		throw new Break("changed-by-another", `in ${own}, after a change in ${other}: ${error.message}`);
	}
}

/** Kinds of what a byte map gets wrong, which another namespace is likely to have caused here. */
const VALUES: ReadonlySet<string> = new Set(["foreign-value", "value-lost", "empty-value-lost", "value-altered"]);

async function expectOwnAlarm(hosts: readonly [Host, Host], names: readonly string[], atMs: number): Promise<void> {
	if (!hosts[0].tellsAlarm) return;
	await hosts[0].setAlarm(WORKFLOW, atMs);
	const seen = await hosts[1].alarm(WORKFLOW);
	if (seen !== undefined) throw new Break("foreign-alarm", `${names[1]} has the alarm that was set in ${names[0]}`);
}

async function expectOwnMessages(hosts: readonly [Host, Host], names: readonly string[]): Promise<void> {
	await hosts[0].addMessage({ id: "m1", name: "n", data: 1, sentAt: 1 });
	const taken = await hosts[1].receiveMessages({ count: 1, completable: false });
	if (taken.length > 0)
		throw new Break("foreign-message", `${names[1]} was given a message that was added in ${names[0]}`);
	const own = await hosts[0].receiveMessages({ count: 1, completable: false });
	if (own.length === 0) throw new Break("message-lost-to-another", `the message added in ${names[0]} is gone`);
}
