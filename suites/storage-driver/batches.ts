/** Batches: later entries win, and where it is claimed, all or nothing, whatever refuses, reads or closes meanwhile. */
import type { KVWrite } from "@rivetkit/workflow-engine";
import * as fc from "fast-check";
import { MAX_BATCH_ENTRIES } from "../../drivers/storage/contract.ts";
import { apply, type Command, change, commands, isChange, tellCommand } from "./commands.ts";
import type { Host } from "./host.ts";
import { sweep } from "./map.ts";
import { ByteMap } from "./model.ts";
import { type Bench, Break, type Claimed, driverProperty } from "./property.ts";
import { counted } from "./tell.ts";

/** What happens to a batch of new keys, and what to make of what is there afterwards. */
const TRIALS = ["refused", "observed", "closed"] as const;

type Batching =
	| { readonly what: "commands"; readonly commands: readonly Command[] }
	| {
			readonly what: "whole";
			readonly trial: (typeof TRIALS)[number];
			readonly entries: number;
			/** Which entry is no bytes, as a part of the whole; only for `refused`. */
			readonly at: number;
	  };

function claimsWhole({ claims }: Claimed): boolean {
	return claims.atomicBatch !== "none";
}

export const batch = driverProperty<Batching>({
	id: "storage.batch",
	claim: "Later entries for one key win; where it is claimed, a batch is all or nothing, batchDelete likewise.",
	source: "engine: EngineDriver.batch, batchDelete, atomicBatch (one indivisible unit)",
	mutants: ["first-entry-wins", "tears-refused-batches", "stops-at-absent-key", "applies-entry-by-entry"],
	uses: ["get", "set", "batch", "batchDelete"],
	unclaimed: (claimed) => (claimsWhole(claimed) ? [] : ["a batch as one unit: atomicBatch is not claimed"]),
	draws(claimed) {
		const sequences = fc.record({
			what: fc.constant("commands" as const),
			commands: commands({ set: 2, batch: 4, batchDelete: 3 }, { maxLength: 12 }),
		});
		if (!claimsWhole(claimed)) return sequences;
		const most = Math.min(claimed.claims.limits?.batchEntries ?? MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES);
		const trials = fc.record({
			what: fc.constant("whole" as const),
			trial: fc.constantFrom(...TRIALS.filter((trial) => trial !== "closed" || !claimed.single)),
			entries: fc.integer({ min: Math.min(2, most), max: most }),
			at: fc.integer({ min: 0, max: 9 }).map((tenth) => tenth / 10),
		});
		return fc.oneof({ weight: 2, arbitrary: sequences }, { weight: 3, arbitrary: trials });
	},
	async run(sequence, bench) {
		const host = await bench.open();
		if (sequence.what === "commands") return carryOut(sequence.commands, host);
		const { trial, entries, at } = sequence;
		if (trial === "refused") await refused(host, entries, Math.min(entries - 1, Math.floor(at * entries)));
		else if (trial === "observed") await observed(host, entries);
		else await closed(host, entries, bench);
	},
	tell(sequence) {
		if (sequence.what === "commands") return sequence.commands.map(tellCommand);
		const { trial, entries, at } = sequence;
		const of = `batch of ${counted(entries, "new key")}`;
		if (trial === "refused")
			return [`${of}, entry ${Math.min(entries - 1, Math.floor(at * entries)) + 1} of which has null for a value`];
		if (trial === "observed") return [of, "list over and over until it answers"];
		return [of, "close before it answers", "open anew"];
	},
});

async function carryOut(sequence: readonly Command[], host: Host): Promise<void> {
	const model = new ByteMap();
	for (const command of sequence) {
		if (!isChange(command)) continue;
		await change(host, command);
		apply(model, command);
	}
	await sweep(host, model);
}

function fresh(entries: number): KVWrite[] {
	return Array.from({ length: entries }, (_, i) => ({ key: Uint8Array.of(0x77, i), value: Uint8Array.of(i, 1) }));
}

async function countOf(host: Host): Promise<number> {
	let there = 0;
	for (const { key } of fresh(MAX_BATCH_ENTRIES)) if (((await host.get(key)) ?? null) !== null) there++;
	return there;
}

/** One entry is no bytes, which no store can keep: the driver may refuse the batch, and then keeps nothing of it. */
async function refused(host: Host, entries: number, at: number): Promise<void> {
	const writes: KVWrite[] = fresh(entries);
	writes[at] = { key: Uint8Array.of(0x78), value: null as unknown as Uint8Array };
	const answer = await host.batch(writes).then(
		() => "stored" as const,
		(error: Break) => error,
	);
	// A driver that takes everything for bytes has refused nothing, and promised nothing about it.
	if (answer === "stored") return;
	if (answer.kind.endsWith("-hangs")) throw answer;
	const there = await countOf(host);
	if (there === 0) return;
	const message = `a batch of ${entries} was refused, and ${counted(there, "entry", "entries")} of it are stored`;
	throw new Break("refused-batch-torn", message);
}

/** Whoever lists while a batch is under way sees all of it or nothing. */
async function observed(host: Host, entries: number): Promise<void> {
	let underWay = true;
	const written = host.batch(fresh(entries)).finally(() => {
		underWay = false;
	});
	written.catch(() => {});
	while (underWay) {
		const seen = (await host.list(Uint8Array.of(0x77))).length;
		if (seen !== 0 && seen !== entries) {
			throw new Break("batch-seen-in-part", `list saw ${seen} of the ${entries} entries of a batch that was under way`);
		}
	}
	await written;
	const there = await countOf(host);
	if (there !== entries) throw new Break("batch-stored-in-part", `${there} of ${entries} entries are stored`);
}

/** Closing meets a batch under way: all of it is there afterwards, or nothing, and all of it if it was acknowledged. */
async function closed(host: Host, entries: number, bench: Bench): Promise<void> {
	const written = host.batch(fresh(entries)).then(
		() => true,
		() => false,
	);
	await host.startClose().catch(() => {});
	const acknowledged = await Promise.race([written, bench.pause().then(() => false)]);
	await host.openAnew();
	const there = await countOf(host);
	if (there !== 0 && there !== entries) {
		throw new Break(
			"batch-torn-by-close",
			`after a close during a batch, ${there} of its ${entries} entries are stored`,
		);
	}
	if (acknowledged && there === 0) {
		throw new Break(
			"acknowledged-batch-lost",
			`a batch of ${entries} was acknowledged during a close, and is not there`,
		);
	}
}
