/**
 * A logger in place of `rivetkit`'s own, with the surface that it uses of `pino`: warnings and errors are told as a line each, the
 * rest is dropped. What a line is about (`error`, `queueName`) is in it; what it is of (actor, key) is not.
 */

export type Say = (level: "warn" | "error", text: string) => void;

export interface RivetkitLogger {
	child(bindings: object): RivetkitLogger;
	trace(...values: unknown[]): void;
	debug(...values: unknown[]): void;
	info(...values: unknown[]): void;
	warn(...values: unknown[]): void;
	error(...values: unknown[]): void;
	fatal(...values: unknown[]): void;
}

export function loggerOf(say: Say): RivetkitLogger {
	const quiet = () => {};
	const told = (level: "warn" | "error") => (data: unknown, text?: unknown) => say(level, lineOf(data, text));
	return {
		// Each its own, since actors replace the methods of theirs.
		child: () => loggerOf(say),
		trace: quiet,
		debug: quiet,
		info: quiet,
		warn: told("warn"),
		error: told("error"),
		fatal: told("error"),
	};
}

/** `failed to decode queue message, error: Error: unexpected end`: the message, and then what came with it. */
function lineOf(data: unknown, text: unknown): string {
	if (typeof data !== "object" || data === null) return [data, text].filter((part) => part !== undefined).join(" ");
	const { msg, ...about } = data as { readonly msg?: unknown };
	const details = Object.entries(about).map(([name, value]) => `, ${name}: ${valueText(value)}`);
	return `${msg ?? text ?? "no message"}${details.join("")}`;
}

function valueText(value: unknown): string {
	if (value instanceof Error) return `${value.name}: ${value.message}`;
	if (typeof value !== "object" || value === null) return String(value);
	try {
		return JSON.stringify(value) ?? String(value);
	} catch {
		return String(value);
	}
}
