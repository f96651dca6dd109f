/** Runs the steps of a workflow file as a runner of GitHub would, as far as the workflows of this project need it. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";

export interface Step {
	readonly name?: string;
	readonly id?: string;
	readonly if?: string;
	readonly run?: string;
	readonly uses?: string;
	readonly shell?: string;
	readonly env?: Readonly<Record<string, string>>;
	readonly with?: Readonly<Record<string, string>>;
	readonly "working-directory"?: string;
}

export interface Workflow {
	readonly env?: Readonly<Record<string, string>>;
	readonly jobs: Readonly<Record<string, { readonly "timeout-minutes"?: number; readonly steps: readonly Step[] }>>;
}

interface Action {
	readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
	readonly outputs: Readonly<Record<string, { readonly value: string }>>;
	readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

export function readWorkflow(file: string): Workflow {
	return parse(readFileSync(file, "utf8")) as Workflow;
}

export interface StepEnded {
	readonly code: number | null;
	readonly said: string;
	readonly summary: string;
	readonly outputs: Readonly<Record<string, string>>;
}

/**
 * Runs the one composite step of an action with what a workflow gives it.
 * @param directory where the action is; a step of a workflow there says `uses: ./`.
 */
export function runAction(
	directory: string,
	given: Step["with"],
	{ workspace, env }: { readonly workspace: string; readonly env: Readonly<Record<string, string | undefined>> },
): StepEnded {
	const { inputs, outputs, runs } = parse(readFileSync(join(directory, "action.yml"), "utf8")) as Action;
	const strange = Object.keys(given ?? {}).find((name) => inputs[name] === undefined);
	if (strange !== undefined) throw new Error(`The action has no input ${strange}.`);
	const [step] = runs.steps as [Step];
	const filled = (text: string) =>
		text.replaceAll(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_, name: string) => given?.[name] ?? inputs[name]?.default ?? "");
	const files = mkdtempSync(join(tmpdir(), "faultline-step-"));
	const [output, summary] = [join(files, "output"), join(files, "summary")] as const;
	const ended = spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", step.run ?? "exit 99"], {
		cwd: workspace,
		encoding: "utf8",
		env: {
			...{ ...process.env, ...env, NO_COLOR: "1" },
			...Object.fromEntries(Object.entries(step.env ?? {}).map(([name, text]) => [name, filled(text)])),
			...{ GITHUB_ACTION_PATH: directory, GITHUB_WORKSPACE: workspace },
			...{ GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: summary },
		},
	});
	const lines = textOf(output).split("\n").filter(Boolean);
	const own = Object.fromEntries(lines.map((line) => line.split("=", 2) as [string, string]));
	const told = Object.entries(outputs).map(([name, { value }]) => {
		const source = /^\$\{\{ steps\.faultline\.outputs\.([\w-]+) \}\}$/.exec(value)?.[1];
		return [name, own[source ?? ""] ?? ""] as const;
	});
	return {
		code: ended.status,
		said: ended.stdout + ended.stderr,
		summary: textOf(summary),
		outputs: Object.fromEntries(told),
	};
}

function textOf(file: string): string {
	return existsSync(file) ? readFileSync(file, "utf8") : "";
}
