/**
 * Values as text, so that histories can hold what a workflow saw and two sightings can be compared: equal texts mean equal
 * values, of equal types, with the same references shared. The same on every version of the runtime.
 */
import { types } from "node:util";

/** Beyond so many levels a value is told as `…`. */
const MAX_DEPTH = 300;
/** A text longer than this is told by its beginning and its length. */
const MAX_TEXT = 80;

export function render(value: unknown): string {
	if (typeof value === "string" && value.length <= MAX_TEXT) return JSON.stringify(value);
	return new Rendering().render(value, 0);
}

/** Fields of every error, told otherwise or not to be compared. */
const STANDARD: ReadonlySet<string> = new Set(["name", "message", "stack"]);

class Rendering {
	/** Objects seen so far, with their numbers. */
	readonly #seen = new Map<object, number>();

	render(value: unknown, depth: number): string {
		switch (typeof value) {
			case "string":
				return value.length <= MAX_TEXT
					? JSON.stringify(value)
					: `${JSON.stringify(value.slice(0, MAX_TEXT))}…${value.length}`;
			case "number":
				return Object.is(value, -0) ? "-0" : String(value);
			case "bigint":
				return `${value}n`;
			case "undefined":
			case "boolean":
				return String(value);
			case "symbol":
				return "a symbol";
			case "function":
				return "a function";
		}
		if (value === null || typeof value !== "object") return "null";
		const known = this.#seen.get(value);
		if (known !== undefined) return `#${known}`;
		if (depth > MAX_DEPTH) return "…";
		this.#seen.set(value, this.#seen.size + 1);
		return this.#object(value, depth + 1);
	}

	#object(value: object, depth: number): string {
		const list = (values: Iterable<unknown>) => [...values].map((element) => this.render(element, depth)).join(", ");
		if (Array.isArray(value)) {
			const elements = Array.from(value, (element, i) => (i in value ? this.render(element, depth) : "hole"));
			return `[${elements.join(", ")}]`;
		}
		if (types.isDate(value)) return `Date ${value.getTime()}`;
		if (types.isMap(value)) {
			const entries = [...value].map(([key, held]) => `${this.render(key, depth)} => ${this.render(held, depth)}`);
			return `Map {${entries.join(", ")}}`;
		}
		if (types.isSet(value)) return `Set {${list(value)}}`;
		if (types.isRegExp(value)) return String(value);
		if (types.isNativeError(value)) {
			const own = Object.getOwnPropertyNames(value).filter((name) => !STANDARD.has(name));
			const about = own.length === 0 ? "" : ` {${this.#fields(value, own, depth)}}`;
			return `${value.name} ${JSON.stringify(value.message)}${about}`;
		}
		if (types.isAnyArrayBuffer(value)) return `ArrayBuffer [${list(new Uint8Array(value))}]`;
		if (ArrayBuffer.isView(value)) {
			const elements = value instanceof DataView ? bytesOf(value) : Array.from(value as Uint8Array);
			return `${viewName(value)} [${list(elements)}]`;
		}
		const symbols = Object.getOwnPropertySymbols(value).map((symbol) => `${String(symbol)}: `);
		const fields = [...symbols, this.#fields(value, Object.keys(value), depth)].filter((field) => field !== "");
		return `${className(value)}{${fields.join(", ")}}`;
	}

	#fields(value: object, names: readonly string[], depth: number): string {
		return [...names]
			.sort()
			.map((name) => `${JSON.stringify(name)}: ${this.render(Reflect.get(value, name), depth)}`)
			.join(", ");
	}
}

function bytesOf({ buffer, byteOffset, byteLength }: DataView): number[] {
	return Array.from(new Uint8Array(buffer, byteOffset, byteLength));
}

/** Buffers are bytes, whatever class the runtime gives them. */
function viewName(view: ArrayBufferView): string {
	return view instanceof Uint8Array ? "Uint8Array" : view.constructor.name;
}

function className(value: object): string {
	const prototype: unknown = Object.getPrototypeOf(value);
	if (prototype === Object.prototype) return "";
	if (prototype === null) return "null-prototype ";
	const maker: unknown = Reflect.get(prototype as object, "constructor");
	return typeof maker === "function" ? `${maker.name} ` : "object ";
}
