/**
 * What an author hands over, made into a `PluggedDriver`: one already, a function that makes a driver, a class, or a driver
 * object. What is wrong with it is said in one line, and shows when it is opened at the latest.
 */
import { UsageError } from "../engine/contract.ts";
import { type EngineDriver, MAX_BATCH_ENTRIES, type OpenedStorage, type PluggedDriver } from "./contract.ts";

/** The methods of a driver that the published engine calls. */
export const DRIVER_METHODS = [
	...(["get", "set", "delete", "batch", "batchDelete", "deletePrefix", "deleteRange", "list"] as const),
	...(["setAlarm", "clearAlarm", "waitForMessages"] as const),
];
export const MESSAGE_METHODS = ["addMessage", "receiveMessages", "completeMessage"] as const;

/** Why a plain driver object cannot be asked to keep two workflows apart. */
export const ONE_NAMESPACE = "it is one object with one namespace; export a function that makes one";

/** What was exported, with one namespace only when it is a plain object. */
export interface Plugged extends PluggedDriver {
	/** Whether there is but one namespace, which is emptied for each that is asked for. */
	readonly single?: true;
}

/**
 * @param name how to call it where it has no name of its own, e.g. its file.
 * @throws UsageError when it is none of these.
 */
export function plug(name: string, exported: unknown): Plugged {
	if (typeof exported === "function") return madeBy(name, exported as (...values: unknown[]) => unknown);
	if (typeof exported !== "object" || exported === null) {
		throw noDriver(name, exported === undefined ? "nothing as its default" : `a ${typeof exported}`);
	}
	if ("open" in exported && typeof exported.open === "function") {
		const plugged = exported as PluggedDriver;
		return typeof plugged.name === "string" && plugged.name !== "" ? plugged : withName(plugged, name);
	}
	if (!DRIVER_METHODS.some((method) => method in exported)) {
		throw noDriver(name, "an object with none of the methods of a driver");
	}
	const driver = exported as EngineDriver;
	return {
		name,
		single: true,
		async open() {
			await empty(driver);
			return openedFrom(driver);
		},
	};
}

function noDriver(name: string, what: string): UsageError {
	return new UsageError(
		`${name} exports ${what}; a driver is an object with open(namespace), an EngineDriver, or a function that makes one.`,
	);
}

/**
 * What the function makes for a namespace: an `OpenedStorage`, anew each time, or a driver, which then lives as long as its
 * namespace, since a driver alone says nothing of opening anew.
 */
function madeBy(name: string, make: (...values: unknown[]) => unknown): Plugged {
	const made = new Map<string, OpenedStorage>();
	const isClass = /^class\b/.test(Function.prototype.toString.call(make));
	return {
		name,
		async open(namespace) {
			const known = made.get(namespace);
			if (known !== undefined) return known;
			const result: unknown = await (isClass ? new (make as unknown as new () => unknown)() : make(namespace));
			if (typeof result !== "object" || result === null) throw new TypeError(`it made ${String(result)}, no driver`);
			if ("driver" in result) return result as OpenedStorage;
			const opened = openedFrom(result as EngineDriver);
			made.set(namespace, opened);
			return opened;
		},
		async destroy(namespace) {
			made.delete(namespace);
		},
	};
}

function openedFrom(driver: EngineDriver): OpenedStorage {
	return { driver, ...alarmOf(driver) };
}

/** Drivers for tests often tell their alarm by `getAlarm`. */
function alarmOf(driver: EngineDriver): Pick<OpenedStorage, "alarm"> {
	if (!("getAlarm" in driver) || typeof driver.getAlarm !== "function") return {};
	const getAlarm = driver.getAlarm.bind(driver) as (workflowId: string) => unknown;
	return { alarm: async (workflowId) => ((await getAlarm(workflowId)) ?? undefined) as number | undefined };
}

/** Takes out what is left of the namespace before, by the driver's own means; those that it lacks are named by `storage.contract`. */
async function empty(driver: Partial<EngineDriver>): Promise<void> {
	if (driver.list === undefined || driver.batchDelete === undefined || driver.messageDriver === undefined) return;
	const entries = await driver.list(new Uint8Array());
	for (let from = 0; from < entries.length; from += MAX_BATCH_ENTRIES) {
		await driver.batchDelete(entries.slice(from, from + MAX_BATCH_ENTRIES).map(({ key }) => key));
	}
	const all = { count: Number.MAX_SAFE_INTEGER, completable: false };
	while ((await driver.messageDriver.receiveMessages(all)).length > 0);
}

function withName(plugged: PluggedDriver, name: string): PluggedDriver {
	return new Proxy(plugged, {
		get(target, member) {
			if (member === "name") return name;
			const value: unknown = Reflect.get(target, member);
			return typeof value === "function" ? value.bind(target) : value;
		},
	});
}
