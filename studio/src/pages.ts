// The engraved pages: fetched as they come, shown one at a time, with a place for every performed beat.

import { get, type Engraving, type PageMap, type Spots } from "./api";
import { fill, h } from "./dom";

export interface Place { beat: number; x: number; top: number; bottom: number; right: number; system: number }

const LOOK_MS = 400;
const FIRST_LOOKS_MS = 60; // until the first page is there

/** What is not as printed. */
export interface Changed { transpose?: number; tutti_bars?: number | null; hand?: string }

export class Pages {
  readonly element = h("div", { class: "paper", role: "img", "aria-label": "The score" });
  readonly cursor = h("div", { class: "cursor", hidden: true, "aria-hidden": "true" });
  private svgs: SVGSVGElement[] = [];
  private pageOf = new Map<string, number>();
  private map: PageMap | null = null;
  private places: Place[] = [];
  private shown = 0;
  private gone = false;
  private opened = false; // the first page of a long score is shown before its pages are laid out
  private heard = new Set<number>();
  private soloAt = new Map<number, string[]>();
  private firstBeatOn: number[] = [];
  total: number | null = null;
  /** A bar was chosen: the performed beats at which it begins, one for each pass. */
  onbar: (beats: number[]) => void = () => undefined;
  onready: () => void = () => undefined;
  /** The page was laid out anew (turned, resized): whatever lies over it moves. */
  onlaid: () => void = () => undefined;
  /** Instead of ``onbar``: a bar, and the note in it when one was hit, by their names. */
  onspot: ((bar: string, note: string | null) => void) | null = null;

  constructor(private piece: string, private layout: string, private view: string, private changed: Changed = {}) {
    this.element.append(this.cursor);
    this.element.addEventListener("click", (event) => {
      const bar = (event.target as Element).closest?.("g.measure");
      const name = bar?.id ?? this.barUnder(event.clientX, event.clientY);
      if (name && this.onspot) {
        this.onspot(name, (event.target as Element).closest?.("g.note, g.rest, g.chord")?.id ?? this.noteUnder(event.clientX, event.clientY));
        return;
      }
      if (name && this.map) {
        const beats = this.map.bars.filter(([, id]) => id === name).map(([beat]) => beat);
        if (beats.length) this.onbar(beats);
      }
    });
    addEventListener("resize", this.measure);
    void this.fetch();
  }

  close(): void {
    this.gone = true;
    removeEventListener("resize", this.measure);
  }

  get page(): number {
    return this.shown;
  }

  /** Whether all is engraved, and every beat has its place. */
  get mapped(): boolean {
    return this.map !== null;
  }

  get count(): number {
    return this.svgs.length;
  }

  private asked(): string {
    const { transpose, tutti_bars } = this.changed;
    return (transpose ? `&transpose=${transpose}` : "") + (typeof tutti_bars === "number" ? `&tutti_bars=${tutti_bars}` : "");
  }

  /** Where bars and notes of these pages stand on the paper. */
  spots(): Promise<Spots> {
    return get<Spots>(`/api/library/${this.piece}/spots?layout=${this.layout}&view=${this.view}${this.asked()}`);
  }

  private async fetch(): Promise<void> {
    const where = `/api/library/${this.piece}/pages`;
    let trouble: string | null = null;
    while (!this.gone) {
      let found: Engraving;
      try {
        found = await get<Engraving>(`${where}?layout=${this.layout}&view=${this.view}${this.asked()}`);
        this.total = found.total;
        if (found.opening && !found.pages && !this.opened) {
          this.opened = true;
          this.element.prepend(drawn(await get<string>(`${where}/${this.layout}/${this.view}/0?${this.asked().slice(1)}`)));
        }
        while (this.svgs.length < found.pages && !this.gone) {
          const text = await get<string>(`${where}/${this.layout}/${this.view}/${this.svgs.length + 1}?${this.asked().slice(1)}`);
          this.add(text);
        }
      } catch (error) {
        if (this.svgs.length === 0) trouble = (error as Error).message;
        break;
      }
      trouble = found.trouble;
      if (found.map && !this.gone) this.take(found.map);
      if (found.done || trouble) break;
      await new Promise((done) => setTimeout(done, this.svgs.length ? LOOK_MS : FIRST_LOOKS_MS));
    }
    if (trouble && !this.gone) {
      fill(this.element, h("p", { class: "nopaper" }, trouble));
      this.onready();
    }
  }

  private add(text: string): void {
    const svg = drawn(text);
    this.svgs.push(svg);
    for (const one of svg.querySelectorAll("g.note, g.measure")) this.pageOf.set(one.id, this.svgs.length);
    if (this.svgs.length === 1) this.show(1);
  }

  private take(map: PageMap): void {
    this.map = map;
    const left = new Set(map.left);
    const hand = this.changed.hand ?? "both";
    const own = (id: string): boolean => hand === "both" || !left.size || left.has(id) === (hand === "left");
    for (const [beat, mine] of map.beats) if (mine.some(own)) this.soloAt.set(beat, mine.filter(own));
    this.firstBeatOn = [];
    for (const [beat, id] of map.bars) this.firstBeatOn.push(beat, this.pageOf.get(id) ?? 1);
    this.colour();
    this.measure();
    this.onready();
  }

  show(page: number): void {
    if (page === this.shown || page < 1 || page > this.svgs.length) return;
    this.shown = page;
    this.element.querySelector("svg.page")?.remove();
    this.element.prepend(this.svgs[page - 1] as SVGSVGElement);
    this.element.dataset.page = String(page);
    this.measure();
    this.onready();
  }

  /** The page on which a performed beat is, or 0 while that is unknown. */
  pageAt(beat: number): number {
    const found = this.firstBeatOn;
    let page = 0;
    for (let at = 0; at < found.length; at += 2) {
      if ((found[at] as number) > beat + 1e-6) break;
      page = found[at + 1] as number;
    }
    return page;
  }

  private measure = (): void => {
    this.places = [];
    if (!this.map || !this.shown) return;
    const frame = this.element.getBoundingClientRect();
    const svg = this.svgs[this.shown - 1] as SVGSVGElement;
    const systems = [...svg.querySelectorAll("g.system")];
    const boxes = systems.map((system) => staves(system));
    const put = (beat: number, target: Element, left: number): void => {
      const system = systems.indexOf(target.closest("g.system") as Element);
      const box = boxes[system];
      if (!box) return;
      this.places.push({ beat, x: left - frame.left, top: box.top - frame.top, bottom: box.bottom - frame.top,
        right: box.right - frame.left, system });
    };
    const taken = new Set<number>();
    for (const [beat, mine, others] of this.map.beats) {
      let best: { left: number; element: Element } | null = null;
      for (const id of mine.length ? mine : others) {
        if (this.pageOf.get(id) !== this.shown) continue;
        const note = svg.getElementById(id);
        const head = note?.querySelector(".notehead") ?? note;
        if (!note || !head) continue;
        const box = head.getBoundingClientRect();
        const middle = box.left + box.width / 2;
        if (!best || middle < best.left) best = { left: middle, element: note };
      }
      if (best) {
        put(beat, best.element, best.left);
        taken.add(beat);
      }
    }
    this.map.bars.forEach(([beat, id], at) => {
      if (taken.has(beat) || this.pageOf.get(id) !== this.shown) return;
      const bar = svg.getElementById(id);
      if (!bar) return;
      // A rest of several bars may be engraved as one: each has its share of the width.
      let first = at, last = at;
      while (this.map?.bars[first - 1]?.[1] === id) first--;
      while (this.map?.bars[last + 1]?.[1] === id) last++;
      const box = staves(bar);
      put(beat, bar, box.left + 6 + ((box.right - box.left - 6) * (at - first)) / (last - first + 1));
    });
    this.places.sort((one, other) => one.beat - other.beat);
    this.onlaid();
  };

  /** The boxes, on the paper, of the bars on the page that is shown which have one of these names; staff lines alone. */
  boxes(names: Set<string>): { left: number; right: number; top: number; bottom: number }[] {
    const svg = this.svgs[this.shown - 1];
    const frame = this.element.getBoundingClientRect();
    return [...(svg?.querySelectorAll("g.measure") ?? [])].filter((bar) => names.has(bar.id)).map((bar) => {
      const box = staves(bar);
      return { left: box.left - frame.left, right: box.right - frame.left, top: box.top - frame.top, bottom: box.bottom - frame.top };
    });
  }

  /** Where, across the paper, the middle of the first of these notes is on the page that is shown; null: on none. */
  across(names: string[]): number | null {
    const svg = this.svgs[this.shown - 1];
    for (const name of names) {
      const note = svg?.getElementById(name);
      const head = note?.querySelector(".notehead") ?? note;
      if (!head) continue;
      const box = head.getBoundingClientRect();
      return box.left + box.width / 2 - this.element.getBoundingClientRect().left;
    }
    return null;
  }

  /** The pages as they come from now on hold this bar: show it. */
  showBar(name: string): void {
    const page = this.pageOf.get(name);
    if (page) this.show(page);
  }

  /** Draw the cursor at a beat, between the notes beside it; hidden when the beat is not on this page. */
  point(beat: number): void {
    const places = this.places;
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((places[middle] as Place).beat <= beat + 1e-6) low = middle + 1;
      else high = middle;
    }
    const before = places[low - 1];
    const after = places[low];
    if (!before || this.pageAt(beat) !== this.shown) {
      this.cursor.hidden = true;
      return;
    }
    const neighbours = after && after.system === before.system && after.x >= before.x;
    const toX = neighbours ? after.x : before.right;
    const toBeat = after && after.beat - before.beat < 16 ? after.beat : before.beat + 4;
    const share = Math.min(Math.max((beat - before.beat) / Math.max(toBeat - before.beat, 1e-6), 0), 1);
    const x = before.x + share * (toX - before.x);
    this.cursor.hidden = false;
    this.cursor.style.transform = `translate(${x.toFixed(1)}px, ${before.top.toFixed(1)}px)`;
    this.cursor.style.height = `${(before.bottom - before.top).toFixed(1)}px`;
    this.cursor.dataset.beat = beat.toFixed(2);
  }

  get heardBeats(): number[] {
    return [...this.heard];
  }

  /** Exactly these solo beats were heard. */
  setHeard(beats: Iterable<number>): void {
    this.heard = new Set([...beats].map(round));
    this.colour();
  }

  hear(beat: number): void {
    const rounded = round(beat);
    for (const later of [...this.heard]) if (later > rounded + 1e-6) this.heard.delete(later);
    const back = this.heard.has(rounded);
    this.heard.add(rounded);
    if (back) this.colour();
    else this.mark(rounded, true);
  }

  forgetAfter(beat: number): void {
    this.heard = new Set([...this.heard].filter((one) => one < beat - 1e-6));
    this.colour();
  }

  private colour(): void {
    for (const svg of this.svgs) for (const one of svg.querySelectorAll(".heard")) one.classList.remove("heard");
    for (const beat of this.heard) this.mark(beat, true);
  }

  private mark(beat: number, on: boolean): void {
    for (const id of this.soloAt.get(beat) ?? []) {
      const page = this.pageOf.get(id);
      if (page) this.svgs[page - 1]?.getElementById(id)?.classList.toggle("heard", on);
    }
  }

  private noteUnder(x: number, y: number): string | null {
    const svg = this.svgs[this.shown - 1];
    for (const head of svg?.querySelectorAll("g.notehead, g.rest") ?? []) {
      const box = head.getBoundingClientRect();
      if (x >= box.left - 8 && x <= box.right + 8 && y >= box.top - 8 && y <= box.bottom + 8) return (head.closest("g.note, g.rest") ?? head).id;
    }
    return null;
  }

  /** Give the soloist's notes at these beats a class, where the score is engraved. */
  classify(kinds: Map<number, string>): void {
    for (const [beat, kind] of kinds) for (const id of this.soloAt.get(beat) ?? []) {
      const page = this.pageOf.get(id);
      if (page) this.svgs[page - 1]?.getElementById(id)?.classList.add(kind);
    }
  }

  private barUnder(x: number, y: number): string | null {
    const svg = this.svgs[this.shown - 1];
    for (const bar of svg?.querySelectorAll("g.measure") ?? []) {
      const box = staves(bar);
      if (x >= box.left && x <= box.right && y >= box.top - 12 && y <= box.bottom + 12) return bar.id;
    }
    return null;
  }
}

function drawn(text: string): SVGSVGElement {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  const svg = document.importNode(parsed, true) as unknown as SVGSVGElement;
  svg.classList.add("page");
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

const round = (beat: number): number => Math.round(beat * 1e6) / 1e6;

/** The box of the staff lines alone: lyrics and slurs reach beyond. */
function staves(element: Element): { left: number; right: number; top: number; bottom: number } {
  let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
  for (const path of element.querySelectorAll("g.staff > path")) {
    const box = path.getBoundingClientRect();
    left = Math.min(left, box.left);
    right = Math.max(right, box.right);
    top = Math.min(top, box.top);
    bottom = Math.max(bottom, box.bottom);
  }
  if (left < right) return { left, right, top, bottom };
  const box = element.getBoundingClientRect();
  return { left: box.left, right: box.right, top: box.top, bottom: box.bottom };
}
