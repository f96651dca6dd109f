/**
 * An actor's storage, asked for by its runner. A request names the actor and not its generation, so that a server can only see to it
 * that the runner holds the actor: a weakness of the protocol.
 */
import type { KvRequestData, KvResponseData } from "@rivetkit/engine-runner-protocol";
import type { Transaction } from "../contract.ts";
import { kvPrefix } from "./records.ts";

interface Stored {
	/** One character a byte, as the key is. */
	readonly value: string;
	readonly updateMs: number;
}

/** @param holds whether the runner that asks holds the actor. */
export function answerKv(
	transaction: Transaction,
	actorId: string,
	request: KvRequestData,
	holds: boolean,
): KvResponseData {
	if (!holds) return failed("the runner does not hold the actor");
	const prefix = kvPrefix(actorId);
	switch (request.tag) {
		case "KvGetRequest":
			return {
				tag: "KvGetResponse",
				val: entriesOf(
					request.val.keys.flatMap((key) => {
						const stored = transaction.get<Stored>(prefix + textOf(key));
						return stored === undefined ? [] : [{ key: textOf(key), stored }];
					}),
				),
			};
		case "KvPutRequest":
			request.val.keys.forEach((key, i) => {
				const value = request.val.values[i];
				if (value !== undefined) transaction.set(prefix + textOf(key), { value: textOf(value), updateMs: Date.now() });
			});
			return { tag: "KvPutResponse", val: null };
		case "KvDeleteRequest":
			for (const key of request.val.keys) transaction.delete(prefix + textOf(key));
			return { tag: "KvDeleteResponse", val: null };
		case "KvDeleteRangeRequest": {
			const [start, end] = [textOf(request.val.start), textOf(request.val.end)];
			for (const { key } of listed(transaction, prefix))
				if (key >= start && key < end) transaction.delete(prefix + key);
			return { tag: "KvDeleteResponse", val: null };
		}
		case "KvDropRequest":
			for (const { key } of listed(transaction, prefix)) transaction.delete(prefix + key);
			return { tag: "KvDropResponse", val: null };
		case "KvListRequest": {
			const { query, reverse, limit } = request.val;
			const found = listed(transaction, prefix).filter(({ key }) => isAsked(query, key));
			if (reverse === true) found.reverse();
			return { tag: "KvListResponse", val: entriesOf(limit === null ? found : found.slice(0, Number(limit))) };
		}
	}
}

type Query = Extract<KvRequestData, { readonly tag: "KvListRequest" }>["val"]["query"];

function isAsked(query: Query, key: string): boolean {
	if (query.tag === "KvListAllQuery") return true;
	if (query.tag === "KvListPrefixQuery") return key.startsWith(textOf(query.val.key));
	const end = textOf(query.val.end);
	return key >= textOf(query.val.start) && (query.val.exclusive ? key < end : key <= end);
}

interface Found {
	readonly key: string;
	readonly stored: Stored;
}

function listed(transaction: Transaction, prefix: string): Found[] {
	return transaction.list<Stored>(prefix).map(({ key, value }) => ({ key: key.slice(prefix.length), stored: value }));
}

function entriesOf(found: readonly Found[]) {
	return {
		keys: found.map(({ key }) => bufferOf(key)),
		values: found.map(({ stored }) => bufferOf(stored.value)),
		metadata: found.map(({ stored }) => ({ version: new ArrayBuffer(0), updateTs: BigInt(stored.updateMs) })),
	};
}

function failed(message: string): KvResponseData {
	return { tag: "KvErrorResponse", val: { message } };
}

function textOf(buffer: ArrayBuffer): string {
	return Buffer.from(buffer).toString("latin1");
}

function bufferOf(text: string): ArrayBuffer {
	return Uint8Array.from(Buffer.from(text, "latin1")).buffer as ArrayBuffer;
}
