/**
 * What several properties ask of one run in turn, worked out once: of the run asked about last. What a weak map holds of a run
 * lives on until all memory is looked through, which may cost more than the judge.
 */
export function ofLast<R extends object, T>(work: (run: R) => T): (run: R) => T {
	let last: { readonly run: R; readonly value: T } | undefined;
	return (run) => {
		if (last?.run !== run) last = { run, value: work(run) };
		return last.value;
	};
}
