/** The page in a real browser: it renders from disk, its slider moves what is stored, and everyone can read and use it. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { storedAt } from "../reports/html/client/disk.ts";
import { matrixPage } from "../reports/html/matrix-page.ts";
import { packRuns } from "../reports/html/pack.ts";
import { page as pageOf } from "../reports/html/page.ts";
import type { RowView, RunView } from "../reports/html/view.ts";
import { type Finding, type MatrixReport, type Report, type RunRecord, SCHEMA_VERSION } from "../reports/model.ts";
import { pageAssets } from "../sim/cli/report/page-assets.ts";
import { openBrowser, WHY_NO_BROWSER } from "./support/browser.ts";
import { sim } from "./support/cli.ts";

const FINDING = "replay.parallel-safe/name-lost";

let directory: string;
let report: Report;
let record: RunRecord;

beforeAll(async () => {
	directory = mkdtempSync(join(tmpdir(), "faultline-page-"));
	const { stderr } = await sim(["--runs", "40", "--program", "generated", "--report", directory, "--quiet"]);
	report = JSON.parse(readFileSync(join(directory, "report.json"), "utf8")) as Report;
	const example = report.findings.find(({ id }) => id === FINDING)?.example;
	if (example?.run === undefined) throw new Error(`No run was kept: ${stderr}`);
	record = JSON.parse(readFileSync(join(directory, example.run), "utf8")) as RunRecord;
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

/** One property on two versions, with everything that a matrix may have besides. */
const MATRIX: MatrixReport = {
	...{
		schemaVersion: SCHEMA_VERSION,
		tool: { name: "faultline", version: "0" },
		made: "2030-01-31",
		settings: { runs: 9 },
	},
	...{
		command: "pnpm sim matrix --runs 9",
		driver: "memory",
		verdict: "known",
		exitCode: 0,
		interrupted: false,
		seconds: 3,
	},
	versions: ["rivet-1", "rivet-2"].map((engine, i) => ({
		...{ engine, verdict: "known", problems: [], interrupted: false, counts: { runs: 9 }, seconds: 1 },
		command: `pnpm sim --engine ${engine} --runs 9`,
		findings: i > 0 ? [] : [finding("queue.fifo", "late")],
	})),
	properties: [
		{
			...{ id: "queue.fifo", suite: "queue", claim: "Messages come in order." },
			cells: ["rivet-1", "rivet-2"].map((engine, i) => ({
				...{ engine, verdict: i > 0 ? ("pass" as const) : ("known" as const), checked: 9 },
				...{ failing: 0, known: 1 - i, fixed: 0, disputed: 0 },
			})),
		},
	],
	upgrades: {
		...{ property: "version.upgrade", modes: ["live"], problems: [], interrupted: false },
		pairs: [
			{
				...{ from: "rivet-1", to: "rivet-2", direction: "upgrade", programs: 1, states: 4, excused: {} },
				failures: [
					{
						...{ kind: "diverged-from-1", runs: 1, programs: ["simple"] },
						example: {
							program: "simple",
							mode: "live",
							plan: "none",
							message: "it diverged",
							command: "pnpm sim upgrade",
						},
					},
				],
			},
		],
	},
	cost: {
		...{ property: "cost.budget", engines: ["rivet-1", "rivet-2"] },
		rows: [
			{
				...{ operation: "step", summary: "a step", mode: "live", times: 1 },
				cells: ["rivet-1", "rivet-2"].map((engine, i) => ({
					...{ engine, verdict: "pass" as const, cost: { writes: 1 + i, operations: 2, bytes: 300 } },
				})),
			},
		],
	},
	mutants: {
		...{ gaps: [], interrupted: false },
		rows: [
			{
				...{ mutant: "queue-shuffles", property: "queue.fifo", kind: "late", target: "reference", program: "simple" },
				...{
					unit: "seeds",
					seeds: 3,
					recorded: 3,
					limit: 50,
					verdict: "pass",
					command: "pnpm sim mutants --mutant queue-shuffles",
				},
			},
		],
	},
};

function finding(property: string, kind: string): Finding {
	const example = {
		program: "simple",
		conditions: [],
		message: "m2 came first",
		digest: "",
		command: `pnpm sim --known ${property}/${kind}`,
	};
	return {
		id: `${property}/${kind}`,
		property,
		kind,
		verdict: "known",
		runs: 1,
		programs: [],
		example,
		reason: "They do not.",
	};
}

/** The program that an axe of the accessibility rules is. */
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe.skipIf(WHY_NO_BROWSER !== undefined)(
	`in a browser${WHY_NO_BROWSER === undefined ? "" : `: ${WHY_NO_BROWSER}`}`,
	() => {
		let browser: Browser;
		beforeAll(async () => {
			browser = await openBrowser();
		});
		afterAll(async () => {
			await browser?.close();
		});

		/** Opens the page with one finding open, and hands out what the browser complained of. */
		async function opened(
			options: BrowserContextOptions = {},
			hash = `#${FINDING}`,
		): Promise<{ page: Page; said: string[] }> {
			const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options });
			const page = await context.newPage();
			const said: string[] = [];
			page.on("console", (message) => said.push(message.text()));
			page.on("pageerror", (error) => said.push(error.message));
			page.on("request", (request) => {
				if (!request.url().startsWith("file:")) said.push(`asked for ${request.url()}`);
			});
			await page.goto(pathToFileURL(join(directory, "report.html")).href + hash);
			if (hash !== "") await findingIn(page).locator(".run[data-state=drawn]").waitFor();
			return { page, said };
		}

		const findingIn = (page: Page) => page.locator(`details[id="${FINDING}"]`);

		it("renders from disk without a word to the console or to any network", async () => {
			const { page, said } = await opened();
			expect(await page.locator("h1").textContent()).toContain(report.target.engine);
			expect(await page.locator("details.finding").count()).toBe(report.findings.length);
			expect(await findingIn(page).locator(".picture .life").count()).toBe(
				new Set(record.events.filter(({ process }) => process > 0).map(({ process }) => process)).size,
			);
			expect(said).toEqual([]);
		});

		it("has a slider that moves what is stored, by key and by hand", async () => {
			const { page } = await opened();
			const slider = findingIn(page).getByRole("slider");
			const stored = () => findingIn(page).locator(".stored .tables").textContent();
			await slider.focus();
			await page.keyboard.press("Home");
			expect(await stored()).toBe("Nothing yet.");
			const seen = new Set([await stored()]);
			const first = record.events.find(({ changes }) => changes !== undefined)?.changes?.[0]?.place ?? 0;
			for (let i = 0; i < record.events.length; i++) {
				await page.keyboard.press("ArrowRight");
				seen.add(await stored());
			}
			expect(seen.size).toBeGreaterThan(3);
			expect(await stored()).toContain(record.places[first]?.name);
			await slider.fill("0");
			expect(await stored()).toBe("Nothing yet.");
		});

		it("marks what just changed, and tells a screen reader where it is", async () => {
			const { page } = await opened();
			const slider = findingIn(page).getByRole("slider");
			await slider.focus();
			await page.keyboard.press("Home");
			while ((await findingIn(page).locator(".stored tr.news").count()) === 0) await page.keyboard.press("ArrowRight");
			expect(await findingIn(page).locator(".stored tr.news .badge").first().textContent()).toBe("new");
			expect(await slider.getAttribute("aria-valuetext")).toMatch(/process 1: write 1: .*\(event \d+ of \d+\)/);
			expect(await findingIn(page).locator("li[aria-current=step]").textContent()).toContain("write 1");
		});

		it("begins at the event that breaks the promise, and returns there", async () => {
			const { page } = await opened();
			const current = findingIn(page).locator("li[aria-current=step]");
			expect(await current.textContent()).toContain("replay.parallel-safe");
			await findingIn(page).getByRole("slider").press("Home");
			expect(await current.textContent()).not.toContain("replay.parallel-safe");
			await findingIn(page)
				.getByRole("button", { name: /to the failure/ })
				.click();
			expect(await current.textContent()).toContain("replay.parallel-safe");
		});

		it("shows reads too where every event is asked for", async () => {
			const { page } = await opened();
			const rows = findingIn(page).locator(".story li");
			const before = await rows.count();
			await findingIn(page).getByRole("checkbox").check();
			expect(await rows.count()).toBe(record.events.length);
			expect(before).toBeLessThan(record.events.length);
		});

		it("leaves what is searched for", async () => {
			const { page } = await opened({}, "");
			await page.getByRole("searchbox").fill("parallel-safe name-lost");
			expect(await page.locator("details.finding:visible").count()).toBe(1);
			await page.getByRole("checkbox", { name: "known" }).uncheck();
			expect(await page.locator("details.finding:visible").count()).toBe(0);
		});

		it.each([400, 1_280])("overflows nothing at %i pixels", async (width) => {
			const { page } = await opened({ viewport: { width, height: 900 } });
			const [needs, has] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [
				number,
				number,
			];
			expect(needs).toBeLessThanOrEqual(has);
		});

		it.each(["light", "dark"] as const)("can be read and used by everyone, %s", async (colorScheme) => {
			const { page } = await opened({ colorScheme });
			await page.addScriptTag({ content: AXE });
			const { violations } = (await page.evaluate("axe.run()")) as {
				violations: { id: string; nodes: { html: string }[] }[];
			};
			expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
		});

		it("prints what is open, without its controls", async () => {
			const { page } = await opened();
			await page.emulateMedia({ media: "print" });
			expect(await findingIn(page).getByRole("slider").isVisible()).toBe(false);
			expect(await findingIn(page).locator(".picture svg").isVisible()).toBe(true);
			expect(await findingIn(page).locator(".story li").last().isVisible()).toBe(true);
		});

		it("has a page for matrices too, with upgrades, costs and mutants, in which a cell leads to what broke", async () => {
			const file = join(directory, "matrix.html");
			writeFileSync(file, matrixPage(MATRIX, pageAssets()));
			const page = await browser.newPage({ viewport: { width: 400, height: 800 } });
			const said: string[] = [];
			page.on("console", (message) => said.push(message.text()));
			await page.goto(pathToFileURL(file).href);
			const [needs, has] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [
				number,
				number,
			];
			expect(needs).toBeLessThanOrEqual(has);
			expect(await page.locator(".trend circle").count()).toBe(2 * 3);
			await page.getByRole("link", { name: "known 1" }).click();
			expect(await page.locator("details[id='rivet-1']").getAttribute("open")).not.toBeNull();
			expect(await page.locator("details[id='rivet-1']").textContent()).toContain("pnpm sim --known queue.fifo/late");
			await page.addScriptTag({ content: AXE });
			const { violations } = (await page.evaluate("axe.run()")) as {
				violations: { id: string; nodes: { html: string }[] }[];
			};
			expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
			expect(said).toEqual([]);
		});

		it("says what it cannot draw, instead of nothing", async () => {
			const file = join(directory, "broken.html");
			const text = readFileSync(join(directory, "report.html"), "utf8");
			writeFileSync(file, text.replaceAll(/(<script type="text\/plain" id="run-\d+">)[^<]*/g, "$1AAAA"));
			const page = await browser.newPage();
			await page.goto(`${pathToFileURL(file).href}#${FINDING}`);
			await findingIn(page).locator(".run[data-state=failed]").waitFor();
			expect(await findingIn(page).locator(".run").textContent()).toMatch(/cannot be drawn here/);
		});
	},
);

describe("what is stored at an instant", () => {
	const row = (...changes: RowView["changes"]): RowView => ({
		...{ at: 0, time: "0", words: "", tone: "", mark: "write", lane: 0, reaches: -1, until: -1, minor: false },
		changes,
	});
	const view: RunView = {
		...{ lanes: [], shows: 0, violations: [] },
		places: [["queue", "m1"]],
		rows: [row([0, "a", 1]), row([0, "b", 1]), row([0, "b", 1]), row([0, null, 0]), row()],
	};

	it.each([
		["written", 0, { value: "a", news: "new" }],
		["changed, with what was there", 1, { value: "b", news: "changed", was: "a" }],
		["written again", 2, { value: "b", news: "written again" }],
		["removed, with what was there", 3, { value: null, news: "removed", was: "b" }],
	])("is %s", (_, at, expected) => {
		const [now] = storedAt(view, at);
		expect(now).toEqual({ store: "queue", name: "m1", bytes: expected.value === null ? 0 : 1, ...expected });
	});

	it("is gone once it was removed", () => {
		expect(storedAt(view, 4)).toEqual([]);
	});
});

describe("the page as text", () => {
	it("stays below two megabytes with every known failure in it", () => {
		expect(report.findings.length).toBeGreaterThan(150);
		expect(statSync(join(directory, "report.html")).size).toBeLessThan(2_000_000);
	});

	it("is the same each time", () => {
		const options = { runs: new Map([[FINDING, record]]), assets: pageAssets() };
		expect(pageOf(report, options)).toBe(pageOf(report, options));
	});

	it("takes nothing that was run for markup", () => {
		const hostile = '</script><img src=x onerror="alert(1)">';
		const findings = report.findings.map((finding) => ({ ...finding, reason: hostile, kind: hostile }));
		const events = record.events.map((event) => ({ ...event, kind: hostile }));
		const runs = new Map([[FINDING, { ...record, events }]]);
		const text = pageOf({ ...report, findings }, { runs, assets: { script: "", style: "" } });
		expect(text).not.toContain("<img");
		expect(text).toContain("&lt;img");
	});

	it("holds the runs of all new findings, and of others as many as fit, and says so", () => {
		const known = report.findings.filter(({ example }) => example !== undefined);
		const findings = known.map((finding, i): Finding => (i < 2 ? { ...finding, verdict: "fail" } : finding));
		const runs = new Map(findings.map(({ id }) => [id, { ...record, finding: id }]));
		const one = [...packRuns(findings, runs, 0).values()];
		expect(one).toHaveLength(2);
		const most = (one[0]?.length ?? 0) * 5;
		const packed = packRuns(findings, runs, most);
		expect(packed.size).toBe(2 + 5);
		const text = pageOf({ ...report, findings }, { runs, assets: { script: "", style: "" }, mostPacked: most });
		expect(text).toContain(`7 runs of ${findings.length} can be gone through here: all of new findings`);
	});
});
