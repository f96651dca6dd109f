/**
 * A real browser for tests: Chromium where CHROMIUM_PATH says, or where distributions put it. Nothing is installed by a test; where
 * there is none, tests say so and are skipped. With FAULTLINE_NEEDS_BROWSER set, as in CI, that is a failure instead.
 */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const USUAL_PATHS = [
	"/usr/bin/chromium",
	"/usr/bin/chromium-browser",
	"/usr/bin/google-chrome",
	"/usr/bin/google-chrome-stable",
	"/snap/bin/chromium",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	"/Applications/Chromium.app/Contents/MacOS/Chromium",
];

function pathOfBrowser(): string | undefined {
	const { CHROMIUM_PATH } = process.env;
	if (CHROMIUM_PATH !== undefined && CHROMIUM_PATH !== "") return CHROMIUM_PATH;
	return USUAL_PATHS.find(existsSync);
}

/** Why there is no browser; undefined when there is one. */
export const WHY_NO_BROWSER =
	pathOfBrowser() === undefined
		? `no browser at ${USUAL_PATHS[0]} or the other usual places; install Debian's chromium, or say CHROMIUM_PATH`
		: undefined;

if (WHY_NO_BROWSER !== undefined && process.env.FAULTLINE_NEEDS_BROWSER !== undefined) throw new Error(WHY_NO_BROWSER);

export function openBrowser(): Promise<Browser> {
	const executablePath = pathOfBrowser();
	if (executablePath === undefined) throw new Error(WHY_NO_BROWSER);
	// Whoever is root, as in containers, has no sandbox to be had; pages are our own and load nothing.
	return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}
