/** Names that hold what joins keys: two places may then share a key, and what is told of one cannot be held against the other. */
import { type Statement, someStatement } from "../fixtures/generators/statement.ts";
import type { Program } from "../fixtures/programs/program.ts";

const JOINS = /[/[\].:]/;

/** Why places of the program cannot be told apart by their keys; undefined when they can. */
export function unclearNames({ statements }: Program): string | undefined {
	const unclear = ({ name }: { readonly name: string }) => name === "" || JOINS.test(name);
	const holds = (statement: Statement) =>
		unclear(statement) || ("branches" in statement && statement.branches.some(unclear));
	return statements !== undefined && someStatement(statements, holds) ? "names look like places" : undefined;
}
