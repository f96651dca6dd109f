/**
 * One run in the page: its diagram, a slider through virtual time, the story beside it, and what is stored at that instant. The
 * slider is the one control; everything else follows it. Arrow keys on it go from event to event.
 */
import type { RowView, RunView } from "../view.ts";
import { diagram } from "./diagram.ts";
import { storedAt } from "./disk.ts";
import { nearest, type Timeline, timelineOf } from "./timeline.ts";

/** The slider counts in so many parts of the width. */
const STEPS = 10_000;

export class RunPlayer {
	readonly #view: RunView;
	readonly #picture: HTMLElement;
	readonly #slider: HTMLInputElement;
	readonly #everything: HTMLInputElement;
	readonly #now: HTMLElement;
	readonly #story: HTMLElement;
	readonly #stored: HTMLElement;
	readonly #storedTitle: HTMLElement;
	#timeline: Timeline;
	#row: number;

	/** @param name what the run is called, for those who do not see it. */
	constructor(place: HTMLElement, view: RunView, name: string) {
		this.#view = view;
		this.#row = view.shows;
		place.replaceChildren();
		this.#picture = place.appendChild(element("div", "picture"));
		this.#slider = inputOf("range", `Virtual time of ${name}`);
		this.#slider.max = String(STEPS);
		this.#slider.addEventListener("input", () => this.#toSlider());
		this.#slider.addEventListener("keydown", (event) => this.#onKey(event));
		const row = place.appendChild(element("div", "slider"));
		row.append(this.#slider);

		const controls = place.appendChild(element("div", "controls"));
		controls.append(
			this.#button("◀", "Previous event", () => this.#step(-1)),
			this.#button("▶", "Next event", () => this.#step(1)),
			this.#button("⚑ to the failure", "⚑ to the failure: the event that breaks the promise", () => this.#toFailure()),
		);
		this.#everything = inputOf("checkbox", "");
		this.#everything.addEventListener("change", () => this.#draw());
		const label = controls.appendChild(element("label", ""));
		label.append(this.#everything, " every event, reads included");
		this.#now = controls.appendChild(element("output", "now"));
		place.append(legend());

		const panes = place.appendChild(element("div", "panes"));
		const story = panes.appendChild(element("section", "story"));
		story.append(titled("What happened"));
		this.#story = story.appendChild(element("ol", this.#isNamed() ? "named" : ""));
		focusable(this.#story, `Events of ${name}`);
		const stored = panes.appendChild(element("section", "stored"));
		this.#storedTitle = stored.appendChild(titled("Stored"));
		this.#stored = stored.appendChild(element("div", "tables"));
		focusable(this.#stored, `What is stored, of ${name}`);
		this.#timeline = timelineOf(view, this.#width(), false);
		this.#picture.addEventListener("pointerdown", (event) => this.#toPoint(event));
		this.#picture.addEventListener("pointermove", (event) => {
			if (event.buttons === 1) this.#toPoint(event);
		});
		new ResizeObserver(() => this.#draw()).observe(this.#picture);
		this.#draw();
	}

	/** Whether processes have names of their own: then these are told, else the number of the life alone. */
	#isNamed(): boolean {
		return this.#view.lanes.some(({ life, name }) => life && !name.startsWith("process "));
	}

	#width(): number {
		return Math.max(280, Math.floor(this.#picture.clientWidth));
	}

	/** Everything anew: for another width, or other rows. */
	#draw(): void {
		this.#timeline = timelineOf(this.#view, this.#width(), this.#everything.checked);
		this.#picture.innerHTML = diagram(this.#view, this.#timeline);
		this.#slider.style.marginLeft = `${this.#timeline.left}px`;
		this.#tellStory();
		this.#show(this.#row);
	}

	#tellStory(): void {
		const { rows, violations } = this.#view;
		const remarks = new Map<number, string[]>();
		for (const { row, property, message } of violations) {
			remarks.set(row, [...(remarks.get(row) ?? []), `${property}: ${message}`]);
		}
		let last = "";
		this.#story.replaceChildren(
			...this.#timeline.shown.map((row) => {
				const told = rows[row] as RowView;
				const time = told.time === last ? "" : told.time;
				last = told.time;
				const item = element("li", told.tone === "" ? "" : `tone-${told.tone}`);
				item.dataset.row = String(row);
				const lane = this.#view.lanes[told.lane];
				item.append(
					textIn("time", "span", time),
					textIn("who", "span", lane?.life === true ? lane.name.replace("process ", "") : ""),
					textIn("words", "span", told.words),
					...(remarks.get(row) ?? []).map((remark) => textIn("remark", "strong", `⚑ ${remark}`)),
				);
				item.addEventListener("click", () => this.#show(row));
				return item;
			}),
		);
	}

	#show(row: number): void {
		const { shown, x } = this.#timeline;
		const at = shown.filter((one) => one <= row).at(-1) ?? shown[0] ?? 0;
		this.#row = at;
		const told = this.#view.rows[at] as RowView;
		const across = x[at] as number;
		const { left, width } = this.#timeline;
		const cursor = this.#picture.querySelector(".cursor");
		cursor?.querySelector("line")?.setAttribute("transform", `translate(${across} 0)`);
		const later = cursor?.querySelector("rect");
		later?.setAttribute("x", String(across + 5));
		later?.setAttribute("width", String(Math.max(0, width - across - 5)));
		this.#slider.value = String(Math.round(((across - left) / (width - left)) * STEPS));
		const where = this.#view.lanes[told.lane]?.name ?? "";
		const place = `event ${shown.indexOf(at) + 1} of ${shown.length}`;
		this.#slider.setAttribute("aria-valuetext", `${told.time}, ${where}: ${told.words} (${place})`);
		this.#now.textContent = `${told.time} · ${place}`;
		for (const item of this.#story.children) {
			const isHere = (item as HTMLElement).dataset.row === String(at);
			if (isHere) item.setAttribute("aria-current", "step");
			else item.removeAttribute("aria-current");
			item.classList.toggle("to-come", Number((item as HTMLElement).dataset.row) > at);
			if (isHere) keepInSight(this.#story, item as HTMLElement);
		}
		this.#showStored(at, told.time);
	}

	#showStored(row: number, time: string): void {
		this.#storedTitle.textContent = `Stored at ${time}`;
		// What rows that are not shown changed is told with the shown one before them.
		const next = this.#timeline.shown.find((shown) => shown > row) ?? this.#view.rows.length;
		const stored = storedAt(this.#view, row, next - 1);
		const stores = [...new Set(stored.map(({ store }) => store))];
		if (stores.length === 0) {
			this.#stored.replaceChildren(textIn("empty", "p", "Nothing yet."));
			return;
		}
		this.#stored.replaceChildren(
			...stores.map((store) => {
				const table = element("table", "");
				table.append(textIn("", "caption", STORES[store] ?? store));
				const body = table.appendChild(element("tbody", ""));
				for (const { name, value, bytes, news, was } of stored.filter((one) => one.store === store)) {
					const row = body.appendChild(element("tr", news === undefined ? "" : `news ${news.replace(" ", "-")}`));
					const head = row.appendChild(element("th", ""));
					head.setAttribute("scope", "row");
					head.append(name);
					const cell = row.appendChild(element("td", ""));
					if (news !== undefined) cell.append(textIn("badge", "span", news));
					if (value !== null) cell.append(textIn("", "code", value));
					if (was !== undefined) cell.append(textIn("was", "del", was));
					else if (value === null) cell.append(textIn("", "code", "nothing"));
					if (value !== null) row.title = `${bytes} bytes`;
				}
				return table;
			}),
		);
		const first = this.#stored.querySelector("tr.news");
		if (first !== null) keepInSight(this.#stored, first as HTMLElement);
	}

	#toSlider(): void {
		const { left, width } = this.#timeline;
		this.#show(nearest(this.#timeline, left + (Number(this.#slider.value) / STEPS) * (width - left)));
	}

	#toPoint(event: PointerEvent): void {
		const { left } = this.#picture.getBoundingClientRect();
		const scale = this.#timeline.width / this.#picture.clientWidth;
		this.#show(nearest(this.#timeline, (event.clientX - left) * scale));
	}

	#onKey(event: KeyboardEvent): void {
		const { shown } = this.#timeline;
		const move = KEYS[event.key];
		if (move !== undefined) this.#step(move);
		else if (event.key === "Home") this.#show(shown[0] ?? 0);
		else if (event.key === "End") this.#show(shown.at(-1) ?? 0);
		else return;
		event.preventDefault();
	}

	#step(by: number): void {
		const { shown } = this.#timeline;
		const place = Math.min(shown.length - 1, Math.max(0, shown.indexOf(this.#row) + by));
		this.#show(shown[place] ?? 0);
	}

	#toFailure(): void {
		this.#show(this.#view.shows);
	}

	#button(text: string, label: string, onClick: () => void): HTMLButtonElement {
		const button = document.createElement("button");
		button.type = "button";
		button.textContent = text;
		button.title = label;
		button.setAttribute("aria-label", label);
		button.addEventListener("click", onClick);
		return button;
	}
}

/** By how many events a key goes on. */
const KEYS: Readonly<Record<string, number>> = {
	ArrowRight: 1,
	ArrowUp: 1,
	ArrowLeft: -1,
	ArrowDown: -1,
	PageUp: 10,
	PageDown: -10,
};

/** What the parts of storage are called. */
const STORES: Readonly<Record<string, string>> = { kv: "history", queue: "queue", alarm: "alarm" };

function element(tag: string, className: string): HTMLElement {
	const made = document.createElement(tag);
	if (className !== "") made.className = className;
	return made;
}

function textIn(className: string, tag: string, text: string): HTMLElement {
	const made = element(tag, className);
	made.textContent = text;
	return made;
}

function titled(text: string): HTMLElement {
	return textIn("pane-title", "h4", text);
}

function inputOf(type: string, label: string): HTMLInputElement {
	const made = document.createElement("input");
	made.type = type;
	if (label !== "") made.setAttribute("aria-label", label);
	return made;
}

/** What scrolls must be reachable without a mouse. */
function focusable(place: HTMLElement, label: string): void {
	place.tabIndex = 0;
	place.setAttribute("aria-label", label);
	if (place.tagName === "DIV") place.setAttribute("role", "region");
}

/** Above what is brought into sight there is room for a heading that sticks to the top. */
const MARGIN = 30;

/** Scrolls the pane, and only it. */
function keepInSight(pane: HTMLElement, item: HTMLElement): void {
	const inner = item.getBoundingClientRect();
	const outer = pane.getBoundingClientRect();
	if (inner.top < outer.top + MARGIN) pane.scrollTop += inner.top - outer.top - MARGIN;
	else if (inner.bottom > outer.bottom) pane.scrollTop += inner.bottom - outer.bottom + MARGIN;
}

/** What the marks of a diagram mean, each as it is drawn there. */
function legend(): HTMLElement {
	const list = element("ul", "legend");
	list.innerHTML = LEGEND.map(
		([mark, words]) =>
			`<li><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">${mark}</svg> ${words}</li>`,
	).join("");
	return list;
}

const LEGEND: readonly (readonly [mark: string, words: string])[] = [
	['<path class="mark start" d="M4 2l9 6-9 6z"/>', "a process starts"],
	['<path class="mark crash" d="M3 3l10 10m0-10l-10 10"/>', "crash"],
	['<rect class="mark end" x="6" y="2" width="4" height="12"/>', "end in good order"],
	['<path class="mark fault" d="M8 1l6 7-6 7-6-7z"/>', "fault"],
	['<rect class="mark write" x="4" y="4" width="8" height="8"/>', "durable write"],
	['<circle class="mark effect" cx="8" cy="8" r="5"/>', "outside effect"],
	['<path d="M2 3l9 8" class="reach frame"/><path class="mark frame" d="M13 13l-6-1 4-5z"/>', "frame"],
	['<path class="flag" d="M3 2h12l-4 6 4 6h-12z"/>', "a promise breaks"],
];
