// What a player pencils into the score: the kinds of mark, in words, and drawn over the page.

import type { Mark, Marks, Spots } from "./api";
import { h } from "./dom";
import type { Pages } from "./pages";

export interface Kind {
  table: string; words: string; range: boolean; row: Mark;
  /** What is asked besides the place: a name of the row, a label, and the choices or the bounds of a number. */
  asks?: { name: string; label: string; options?: [string, string][]; number?: [number, number, number] };
}

export const KINDS: Kind[] = [
  { table: "fermata", words: "Fermata", range: false, row: {}, asks: { name: "release", label: "released by", options: [
    ["onset", "my next note"], ["note_off", "my letting go"], ["pedal", "a pedal"]] } },
  { table: "fermata", words: "No fermata", range: false, row: { remove: true } },
  { table: "cadenza", words: "Cadenza", range: true, row: {} },
  { table: "lead", words: "The orchestra leads", range: true, row: { leads: "orchestra" } },
  { table: "lead", words: "It leads, but listens", range: true, row: { leads: "lead" } },
  { table: "lead", words: "I lead", range: true, row: { leads: "follow" } },
  { table: "silence", words: "Wait for me here", range: true, row: { policy: "hold" } },
  { table: "vamp", words: "Vamp", range: true, row: {} },
  { table: "cut", words: "Cut", range: true, row: {} },
  { table: "tempo", words: "Tempo", range: false, row: {}, asks: { name: "bpm", label: "quarters a minute", number: [10, 400, 72] } },
];

const LEADS: Record<string, string> = { orchestra: "the orchestra leads", lead: "the orchestra leads, but listens", follow: "you lead" };

/** One mark in words, as a list or a screen reader says it. */
export function said(table: string, row: Mark): string {
  const place = "at" in row ? `at ${row.at}` : row.from === row.to ? `bar ${row.from}` : `bars ${row.from} to ${row.to}`;
  if (table === "fermata") return row.remove ? `no fermata ${place}` : `fermata ${place}${row.release ? `, ${String(row.release).replace("_", " ")}` : ""}`;
  if (table === "lead") return `${LEADS[String(row.leads)]}, ${place}`;
  if (table === "silence") return `${row.policy === "hold" ? "waits for you" : "goes on"}, ${place}`;
  if (table === "tempo") return `${row.unit ?? "quarter"} = ${row.bpm} ${place}`;
  if (table === "instrument") return `part ${row.part} is ${row.name ?? row.program}${"from" in row ? `, ${place}` : ""}`;
  return `${table} ${place}`;
}

const short = (table: string, row: Mark): string =>
  table === "lead" ? (row.leads === "follow" ? "you lead" : row.leads === "lead" ? "orchestra leads, listening" : "orchestra leads")
    : table === "silence" ? (row.policy === "hold" ? "waits for you" : "goes on") : table === "tempo" ? `♩ = ${row.bpm}` : table;

interface At { bar: string; beat: number | null }

export function placeOf(text: string): At {
  const found = /^\s*([^.@\s]+)(?:\.(\d+(?:\.\d+)?))?/.exec(text);
  return { bar: found?.[1] ?? "", beat: found?.[2] ? Number(found[2]) : null };
}

/** Draw the marks over the page that is shown. */
export class Overlay {
  readonly element = h("div", { class: "marks", "aria-hidden": "true" });

  constructor(private pages: Pages) {
    pages.element.append(this.element);
  }

  draw(marks: Marks, spots: Spots | null, chosen: { from: string; to: string } | null): void {
    this.element.replaceChildren();
    if (!spots) return;
    const order = spots.bars.map(([, number]) => number);
    const between = (from: string, to: string): Set<string> => {
      const first = order.indexOf(from);
      const last = order.indexOf(to, Math.max(first, 0));
      return new Set(spots.bars.slice(first, last + 1).filter(() => first >= 0).map(([name]) => name));
    };
    const strip = (from: string, to: string, kind: string, words: string, level: number): void => {
      const boxes = this.pages.boxes(between(placeOf(from).bar, placeOf(to).bar));
      const lines = new Map<number, { left: number; right: number; top: number; bottom: number }>();
      for (const box of boxes) {
        const key = Math.round(box.top / 8);
        const line = lines.get(key);
        lines.set(key, line ? { ...line, left: Math.min(line.left, box.left), right: Math.max(line.right, box.right) } : { ...box });
      }
      for (const line of lines.values()) {
        const band = h("div", { class: `markband ${kind}` }, kind === "chosen" ? null : h("span", {}, words));
        const above = kind === "chosen" || kind === "cut" ? 0 : 26 + level * 22;
        const number = above ? 24 : 0; // the bar's number stays to be seen
        Object.assign(band.style, { left: `${line.left + number}px`, width: `${line.right - line.left - number}px`, top: `${line.top - above}px`,
          height: above ? "20px" : `${line.bottom - line.top}px` });
        this.element.append(band);
      }
    };
    const sign = (at: string, words: string, level: number): void => {
      const place = placeOf(at);
      const box = this.pages.boxes(between(place.bar, place.bar))[0];
      if (!box) return;
      const unit = spots.bars.find(([, number]) => number === place.bar)?.[2] ?? 1;
      const offset = ((place.beat ?? 1) - 1) * unit;
      const notes = Object.entries(spots.notes).filter(([, [number, quarters]]) => number === place.bar && Math.abs(quarters - offset) < 0.02);
      const x = this.pages.across(notes.map(([name]) => name)) ?? box.left + 14 + (place.beat ? (box.right - box.left) * 0.3 : 0);
      const mark = words === "fermata" || words === "no fermata"
        ? h("svg:svg", { class: words === "fermata" ? "sign" : "sign gone", viewBox: "0 0 30 18" }, h("svg:path", { d: "M2 17 A13 13 0 0 1 28 17" }), h("svg:circle", { cx: 15, cy: 13.5, r: 2.6 }),
          words === "fermata" ? null : h("svg:line", { x1: 3, y1: 2, x2: 27, y2: 17 }))
        : h("div", { class: "sign words" }, words);
      Object.assign(mark.style, { left: `${x - 17}px`, top: `${box.top - 30 - level * 22}px` });
      this.element.append(mark);
    };
    const ranges = Object.values(marks).flat().filter((row) => "from" in row && "to" in row && !("part" in row))
      .map((row) => between(placeOf(String(row.from)).bar, placeOf(String(row.to)).bar));
    const covered = (at: string): boolean => [...between(placeOf(at).bar, placeOf(at).bar)].some((name) => ranges.some((range) => range.has(name)));
    if (chosen) strip(chosen.from, chosen.to, "chosen", "", 0);
    let level = 0;
    for (const [table, rows] of Object.entries(marks)) {
      for (const row of rows) {
        if ("from" in row && "to" in row && table !== "instrument") strip(String(row.from), String(row.to), table, short(table, row), level % 2);
        else if ("at" in row) sign(String(row.at), table === "fermata" ? (row.remove ? "no fermata" : "fermata") : short(table, row), covered(String(row.at)) ? 1 : 0);
        else continue;
        if ("from" in row) level += 1;
      }
    }
  }
}
