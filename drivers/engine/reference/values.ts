/**
 * Values as bytes and back, with the meaning of a structured clone: Map, Set, Date, RegExp, errors, bigint, undefined, NaN, -0,
 * holes, buffers, cycles and shared references come back as they were. What cannot be kept (functions, symbols, promises,
 * instances of classes) is refused where it stands, and never dropped in silence. A value is a flat table of its objects, so
 * that depth is no limit; CBOR writes the table.
 */
import { types } from "node:util";
import { Encoder } from "cbor-x";

const cbor = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true });

/** What stands for a value in the table: a primitive as it is, or a tag with what it needs; a lone number refers to an object. */
type Slot =
	| null
	| undefined
	| boolean
	| number
	| string
	| readonly [tag: string, ...rest: unknown[]]
	| readonly [number];

/** A value that no history can hold. It has the name that the platform gives to such a refusal. */
export class UnkeepableValueError extends Error {
	override readonly name = "DataCloneError";

	/** @param what a value of what, e.g. `step "charge"`; @param where the path to what is refused, and what that is. */
	constructor(what: string, where: string) {
		super(`The value of ${what} cannot be kept: ${where}`);
	}
}

/** @throws UnkeepableValueError naming `what` and the part that cannot be kept. */
export function encodeValue(value: unknown, what = "a record"): Uint8Array {
	return cbor.encode(new Table(what).of(value));
}

/** A value of its own each time: whoever changes one changes no other. */
export function decodeValue(bytes: Uint8Array): unknown {
	const [root, nodes] = cbor.decode(bytes) as [Slot, readonly Node[]];
	const objects = nodes.map(shellOf);
	const read = (slot: Slot) => readSlot(slot, objects);
	nodes.forEach((node, i) => {
		fill(objects[i] as object, node, read);
	});
	return read(root);
}

type Node = readonly [tag: string, ...rest: unknown[]];

class Table {
	readonly #what: string;
	readonly #objects: object[] = [];
	readonly #numbers = new Map<object, number>();
	/** Where each object was first met: the number of the object around it, and the field. */
	readonly #around: (readonly [parent: number, field: string])[] = [];

	constructor(what: string) {
		this.#what = what;
	}

	of(value: unknown): readonly [Slot, readonly Node[]] {
		const root = this.#slot(value, -1, "");
		const nodes: Node[] = [];
		// The list grows as objects are met.
		for (let i = 0; i < this.#objects.length; i++) nodes.push(this.#node(this.#objects[i] as object, i));
		return [root, nodes];
	}

	#slot(value: unknown, parent: number, field: string): Slot {
		switch (typeof value) {
			case "string":
				return /\p{Surrogate}/u.test(value) ? ["w", utf16(value)] : value;
			case "number":
				return Object.is(value, -0) ? ["z"] : value;
			case "boolean":
			case "undefined":
				return value;
			case "bigint":
				return ["n", value.toString()];
			case "object": {
				if (value === null) return null;
				let number = this.#numbers.get(value);
				if (number === undefined) {
					number = this.#objects.push(value) - 1;
					this.#numbers.set(value, number);
					this.#around.push([parent, field]);
				}
				return [number];
			}
			default:
				throw this.#refusal(`a ${typeof value}`, parent, field);
		}
	}

	#node(value: object, number: number): Node {
		const slots = (values: Iterable<unknown>) => Array.from(values, (held, i) => this.#slot(held, number, `[${i}]`));
		const prototype: unknown = Object.getPrototypeOf(value);
		if (Object.getOwnPropertySymbols(value).length > 0) throw this.#refusal("a key that is a symbol", number);
		if (Array.isArray(value)) {
			const isList = Object.keys(value).length === value.length && value.every((_, i) => i in value);
			return isList ? ["l", slots(value)] : ["a", value.length, this.#fields(value, Object.keys(value), number)];
		}
		if (isPlain(prototype)) return ["o", prototype === null, this.#fields(value, Object.keys(value), number)];
		if (types.isDate(value)) return ["d", value.getTime()];
		if (types.isRegExp(value)) return ["x", value.source, value.flags, value.lastIndex];
		if (types.isMap(value) && prototype === Map.prototype) return ["m", slots([...value].flat())];
		if (types.isSet(value) && prototype === Set.prototype) return ["s", slots(value)];
		if (types.isArrayBuffer(value)) return ["b", new Uint8Array(value.slice(0))];
		if (ArrayBuffer.isView(value)) {
			const kind = value instanceof Uint8Array ? "Uint8Array" : value.constructor.name;
			return ["v", kind, new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice()];
		}
		if (types.isNativeError(value)) {
			const kind = ERRORS.findIndex((Kind) => Kind.prototype === prototype);
			// The stack names files of one machine and is left out.
			const names = Object.getOwnPropertyNames(value).filter((name) => name !== "stack");
			const visible = names.map((name) => Object.prototype.propertyIsEnumerable.call(value, name));
			if (kind >= 0) return ["e", kind, this.#fields(value, names, number), visible];
		}
		throw this.#refusal(`an instance of ${nameOf(prototype)}`, number);
	}

	#fields(value: object, names: readonly string[], number: number): Slot[] {
		return names.flatMap((name) => [
			this.#slot(name, number, name),
			this.#slot(Reflect.get(value, name), number, `.${name}`),
		]);
	}

	#refusal(what: string, parent: number, field = ""): UnkeepableValueError {
		let path = field;
		for (let at = parent; at >= 0; ) {
			const [next, name] = this.#around[at] as readonly [number, string];
			path = name + path;
			at = next;
		}
		return new UnkeepableValueError(this.#what, path === "" ? `it is ${what}` : `${path} is ${what}`);
	}
}

const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError] as const;
const VIEWS: Readonly<Record<string, new (buffer: ArrayBuffer) => object>> = {
	...{ Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array },
	...{ Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView },
};

/** Whether objects of that prototype are nothing but their fields; another realm has a prototype of its own. */
function isPlain(prototype: unknown): boolean {
	if (prototype === null || prototype === Object.prototype) return true;
	return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "isPrototypeOf");
}

function nameOf(prototype: unknown): string {
	const maker: unknown = Reflect.get(prototype as object, "constructor");
	return typeof maker === "function" && maker.name !== "" ? maker.name : "a class";
}

function utf16(text: string): Uint8Array {
	return new Uint8Array(Uint16Array.from(text, (_, i) => text.charCodeAt(i)).buffer);
}

/** An object without what refers to others. */
function shellOf([tag, first, second, third]: Node): object {
	switch (tag) {
		case "o":
			return first === true ? (Object.create(null) as object) : {};
		case "l":
			return [];
		case "a":
			return new Array(first as number);
		case "d":
			return new Date(first as number);
		case "x":
			return Object.assign(new RegExp(first as string, second as string), { lastIndex: third });
		case "m":
			return new Map();
		case "s":
			return new Set();
		case "b":
			return bufferOf(first as Uint8Array);
		case "v": {
			const View = VIEWS[first as string];
			if (View === undefined) throw new Error(`there is no view ${first}`);
			return new View(bufferOf(second as Uint8Array));
		}
		case "e": {
			const Kind = ERRORS[first as number];
			if (Kind === undefined) throw new Error(`there is no error ${first}`);
			const error = new Kind();
			delete (error as { message?: string }).message;
			return error;
		}
		default:
			throw new Error(`there is no sort of value "${tag}"`);
	}
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
	return new Uint8Array(bytes).buffer;
}

function fill(object: object, [tag, ...rest]: Node, read: (slot: Slot) => unknown): void {
	const slots = rest.find(Array.isArray) as readonly Slot[] | undefined;
	if (slots === undefined) return;
	if (tag === "l") for (const slot of slots) (object as unknown[]).push(read(slot));
	else if (tag === "s") for (const slot of slots) (object as Set<unknown>).add(read(slot));
	else {
		for (let i = 0; i < slots.length; i += 2) {
			const [key, value] = [read(slots[i]), read(slots[i + 1])];
			if (tag === "m") (object as Map<unknown, unknown>).set(key, value);
			else {
				const enumerable = tag !== "e" || (rest[2] as readonly boolean[])[i / 2] === true;
				Object.defineProperty(object, key as string, { value, enumerable, writable: true, configurable: true });
			}
		}
	}
}

function readSlot(slot: Slot, objects: readonly object[]): unknown {
	if (!Array.isArray(slot)) return slot;
	const [tag, first] = slot as readonly unknown[];
	if (typeof tag === "number") return objects[tag];
	if (tag === "z") return -0;
	if (tag === "n") return BigInt(first as string);
	const units = new Uint16Array(bufferOf(first as Uint8Array));
	return Array.from(units, (unit) => String.fromCharCode(unit)).join("");
}
