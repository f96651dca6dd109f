/** How a verdict reads, and in which colour. */
import type { Verdict } from "./model.ts";
import type { Paint } from "./text.ts";

export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
	pass: "pass",
	fail: "FAIL",
	known: "known",
	fixed: "FIXED",
	disputed: "disputed",
	skip: "skip",
	invalid: "INVALID",
};

export function paintedVerdict(verdict: Verdict, text: string, paint: Paint): string {
	if (verdict === "fail" || verdict === "invalid") return paint.red(text);
	if (verdict === "fixed" || verdict === "known" || verdict === "disputed") return paint.yellow(text);
	return verdict === "pass" ? paint.green(text) : paint.dim(text);
}
