/** Small things that maps and lists lack. */

/** The value of the key, made and stored first when there is none. */
export function getOrInsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
	let value = map.get(key);
	if (value === undefined) {
		value = make();
		map.set(key, value);
	}
	return value;
}

/** Adds to the list of the key, which begins empty. */
export function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
	const list = map.get(key);
	if (list === undefined) map.set(key, [value]);
	else list.push(value);
}

/** Takes the item out of the list, where it is there. */
export function remove<T>(list: T[], item: T): void {
	const at = list.indexOf(item);
	if (at >= 0 && at === list.length - 1) list.pop();
	else if (at >= 0) list.splice(at, 1);
}
