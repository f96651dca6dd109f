/** Runs the command line as a user does, in a process of its own without a terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** @param meanwhile called once with the process and each piece of standard error, to interfere. */
export function sim(
	args: readonly string[],
	meanwhile?: (process: ChildProcess, stderr: string) => void,
): Promise<Ended> {
	return new Promise((resolve, reject) => {
		const child = spawn(
			process.execPath,
			["--import", "./sim/cli/typescript/register.mjs", "sim/cli/main.ts", ...args],
			{
				cwd: ROOT,
				env: { ...process.env, NO_COLOR: "1" },
			},
		);
		let stdout = "";
		let stderr = "";
		child.stdout.on("data", (piece) => {
			stdout += piece;
		});
		child.stderr.on("data", (piece) => {
			stderr += piece;
			meanwhile?.(child, stderr);
		});
		child.on("error", reject);
		child.on("close", (code) => resolve({ code, stdout, stderr }));
	});
}

/** Wrong usage: one line on standard error that says what would be right, nothing on standard output, exit code 2. */
export async function expectRefusal(args: readonly string[], message: RegExp): Promise<void> {
	const { code, stdout, stderr } = await sim(args);
	expect(stderr).toMatch(message);
	expect(stderr.trimEnd().split("\n")).toHaveLength(1);
	expect(stdout).toBe("");
	expect(code).toBe(2);
}
