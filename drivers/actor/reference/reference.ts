/** The reference actor as a target: the executable specification of an actor, on the reference engine. */
import type { World } from "../../../sim/world/world.ts";
import { referenceModule } from "../../engine/reference/engine.ts";
import { type Rules, SPECIFICATION } from "../../engine/reference/rules.ts";
import { decodeValue } from "../../engine/reference/values.ts";
import type { ActorGround, ActorImage, ActorSurface, ActorTarget } from "../contract.ts";
import { Actor, WorkflowHandler } from "./actor.ts";
import { ACTOR_SPECIFICATION, type ActorRules } from "./rules.ts";
import { describeKey, describeValue, KEYS, PREFIX, Records, Store, type StoredMessage, tablesOf } from "./store.ts";

export const REFERENCE_ACTOR = "reference";

/** @param rules what actor and engine leave out of their rules; nothing when absent. */
export function referenceActor(
	rules: ActorRules = ACTOR_SPECIFICATION,
	engineRules: Rules = SPECIFICATION,
): ActorTarget {
	const engine = referenceModule(engineRules);
	const { Loop, CriticalError, RollbackError } = engine;
	const surface: ActorSurface = {
		Loop,
		CriticalError,
		RollbackError,
		workflow: (run, options) => new WorkflowHandler(run as never, options?.onError as never) as never,
		queue: () => ({}),
		event: () => ({}),
	};
	return {
		name: REFERENCE_ACTOR,
		version: "1",
		capabilities: {
			stepState: "rollback",
			stepCommit: "atomic",
			queueDelivery: "exactly-once",
			completion: "durable",
			broadcast: "after-commit",
			sends: "idempotent",
			schedule: "exactly-once",
		},
		features: new Set([
			"tryStep",
			"try",
			"getVersion",
			"actions",
			"schedule",
			"connections",
			"plainRun",
			"destroy",
		] as const),
		surface,
		ground: (world, actorId) => groundOf(world, actorId, engine, rules),
		describeKey: (table, key) => (table.endsWith("/alarm") ? "alarm" : describeKey(key)),
		describeValue: (table, key, value) => (table.endsWith("/alarm") ? decodeValue(value) : describeValue(key, value)),
	};
}

function groundOf(
	world: World,
	actorId: string,
	engine: ReturnType<typeof referenceModule>,
	rules: ActorRules,
): ActorGround {
	const tables = tablesOf(actorId);
	const records = new Records(world.disk, tables);
	return {
		async start(process, config, platform) {
			const actor = new Actor(actorId, config, engine, new Store(world, process, tables), platform, rules);
			await actor.start();
			queueMicrotask(() => actor.begin());
			return actor;
		},
		alarm: () => records.alarm(),
		clearAlarm: () => {
			const at = world.disk.list(tables.alarm, "").map(({ key }) => ({ table: tables.alarm, key, value: null }));
			records.commit(world.outside, "alarm.fire", at);
		},
		destroyed: () => records.bytes(KEYS.created) !== undefined && records.read<number>(KEYS.created) === 0,
		image: () => imageOf(records),
		damage: (what, place) => {
			const keys = world.disk.list(tables.actor, PREFIX.message).map(({ key }) => key);
			const key = what === "message" ? keys[place] : KEYS.queue;
			const stored = key === undefined ? undefined : world.disk.get(tables.actor, key);
			if (key === undefined || stored === undefined) return false;
			const value = new Uint8Array(stored);
			value[0] = (value[0] as number) ^ 0x55;
			world.disk.damage(tables.actor, key, value);
			return true;
		},
	};
}

function imageOf(records: Records): ActorImage {
	const state = records.bytes(KEYS.state);
	let metadata: { size: number; next: number } | undefined;
	try {
		metadata = records.read(KEYS.queue);
	} catch {
		metadata = undefined;
	}
	const messages = [...records.messages()].map((message) =>
		"unreadable" in message
			? { id: String(Number(message.unreadable.slice(1))), name: "", body: undefined }
			: messageOf(message),
	);
	return {
		state: state === undefined ? undefined : decodeValue(state),
		queue: {
			messages,
			size: metadata?.size,
			nextId: metadata === undefined ? undefined : String(metadata.next),
		},
	};
}

function messageOf({ id, name, body }: StoredMessage) {
	return { id: String(id), name, body: decodeValue(body) };
}
