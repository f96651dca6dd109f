/** The script of a page: runs are unpacked and drawn when they are looked at; findings can be searched; commands can be copied. */
import type { RunView } from "../view.ts";
import { RunPlayer } from "./run-player.ts";

for (const finding of document.querySelectorAll<HTMLDetailsElement>("details.finding")) {
	finding.addEventListener("toggle", () => void draw(finding));
	if (finding.open) void draw(finding);
}

/** Draws the run of a finding that is open, once. */
async function draw(finding: HTMLDetailsElement): Promise<void> {
	const place = finding.querySelector<HTMLElement>(".run");
	const packed = place === null ? null : document.getElementById(place.dataset.run ?? "");
	if (!finding.open || place === null || packed === null || place.dataset.state !== undefined) return;
	place.dataset.state = "drawing";
	try {
		const view = JSON.parse(await unpacked(packed.textContent ?? "")) as RunView;
		new RunPlayer(place, view, finding.dataset.id ?? "the run");
		place.dataset.state = "drawn";
	} catch (error) {
		place.dataset.state = "failed";
		place.textContent = `The run cannot be drawn here: ${error instanceof Error ? error.message : error}`;
	}
}

/** Text from base64 of raw deflate. */
async function unpacked(text: string): Promise<string> {
	const bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
	const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
	return await new Response(stream).text();
}

/** A link to a finding opens it. */
function openLinked(): void {
	const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
	const around = linked?.closest("details");
	if (linked === null || around === null || around === undefined) return;
	around.open = true;
	linked.scrollIntoView();
}
addEventListener("hashchange", openLinked);
openLinked();

for (const button of document.querySelectorAll<HTMLButtonElement>("button.copy")) {
	button.hidden = false;
	button.addEventListener("click", async () => {
		const command = button.parentElement?.querySelector("code");
		try {
			await navigator.clipboard.writeText(command?.textContent ?? "");
			button.textContent = "copied";
		} catch {
			// Without the right to the clipboard the command is there to be marked.
			if (command !== null && command !== undefined) getSelection()?.selectAllChildren(command);
			button.textContent = "marked";
		}
		setTimeout(() => {
			button.textContent = "copy";
		}, 1_500);
	});
}

const search = document.querySelector<HTMLInputElement>("#search");
const verdicts = [...document.querySelectorAll<HTMLInputElement>("input[name=verdict]")];
for (const control of [search, ...verdicts]) control?.addEventListener("input", filter);

/** Leaves what has the words and one of the verdicts. */
function filter(): void {
	const words = (search?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
	const chosen = new Set(verdicts.filter(({ checked }) => checked).map(({ value }) => value));
	let left = 0;
	for (const group of document.querySelectorAll<HTMLElement>("section.property")) {
		let shown = 0;
		for (const finding of group.querySelectorAll<HTMLElement>("details.finding")) {
			const text =
				`${group.dataset.id} ${finding.dataset.id} ${finding.querySelector(".told")?.textContent}`.toLowerCase();
			const matches = words.every((word) => text.includes(word)) && chosen.has(finding.dataset.verdict ?? "");
			finding.hidden = !matches;
			if (matches) shown++;
		}
		group.hidden = shown === 0;
		left += shown;
	}
	const count = document.querySelector("#shown");
	if (count !== null) count.textContent = `${left} shown`;
}
