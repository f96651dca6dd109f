/** The harness itself was used wrongly or leaked; never a finding about the target. Verdict `invalid`. */
export class HarnessError extends Error {
	readonly code: string;

	/** @param code stable and short, e.g. `escape` or `nested-run`. */
	constructor(code: string, message: string) {
		super(message);
		this.name = "HarnessError";
		this.code = code;
	}
}
