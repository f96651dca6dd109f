/** Runs the command line as a user does, in a process of its own without a terminal. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, expect } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The ones that still run. They must not outlive what began them: one whose workers hang would run forever. */
const children = new Set<ChildProcess>();

function killChildren(): void {
	for (const child of children) child.kill("SIGKILL");
}

// A test that failed or ran out of time leaves them. So does a run that is stopped, or whose main process was killed: then
// nobody but this process knows of them, and nobody waits for it.
afterEach(killChildren);
process.once("exit", killChildren);
process.once("disconnect", () => end("SIGKILL"));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);

function end(signal: NodeJS.Signals): void {
	killChildren();
	process.kill(process.pid, signal);
}

export interface Ended {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/**
 * @param meanwhile called once with the process and each piece of standard error, to interfere.
 * @param entry what is run; `pnpm sim` when absent.
 */
export function sim(
	args: readonly string[],
	meanwhile?: (process: ChildProcess, stderr: string) => void,
	entry = "sim/cli/main.ts",
): Promise<Ended> {
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, ["--import", "./sim/cli/typescript/register.mjs", entry, ...args], {
			cwd: ROOT,
			env: { ...process.env, NO_COLOR: "1" },
		});
		children.add(child);
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
		child.on("close", (code) => {
			children.delete(child);
			resolve({ code, stdout, stderr });
		});
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
