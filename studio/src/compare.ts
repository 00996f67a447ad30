// Two takes side by side: their tempo curves in one picture, and how far soloist and orchestra were apart in each bar.

import { get, type Review, type TakeRow } from "./api";
import { lines, pairs } from "./chart";
import { fill, h, minutes, say, when } from "./dom";

export const showCompare = (names: string) => (main: HTMLElement) => {
  const [one = "", other = ""] = names.split("/");
  main.append(h("p", { class: "waiting" }, "Looking at both takes …"));
  Promise.all([one, other].map((name) => get<Review>(`/api/takes/${encodeURIComponent(name)}`)))
    .then(([first, second]) => draw(main, first as Review, second as Review))
    .catch((error: Error) => fill(main, h("p", { class: "trouble" }, error.message), h("a", { href: "#/takes" }, "Back to the takes")));
  return () => undefined;
};

const name = (row: { bar: string; passing: number }): string => (row.passing > 1 ? `${row.bar}·${row.passing}` : row.bar);
const link = (take: Review, words: string): HTMLElement => h("a", { href: `#/take/${encodeURIComponent(take.name)}` }, words);

function draw(main: HTMLElement, one: Review, other: Review): void {
  if (one.digest !== other.digest) {
    fill(main, h("h1", {}, "Two takes"), h("p", { class: "trouble" }, `These are takes of different music: ${one.piece}, and ${other.piece}.`), h("a", { href: "#/takes" }, "Back to the takes"));
    return;
  }
  const bars = one.bars.map(([beat, number, passing]): [number, string] => [beat, passing > 1 ? `${number}·${passing}` : number]);
  const ms = (value: number | null): string => (value === null ? "–" : `${value.toFixed(0)} ms`);
  const share = (value: number | null): string => (value === null ? "–" : `${Math.round(value * 100)} %`);
  const row = (words: string, value: (take: Review) => string): HTMLElement =>
    h("tr", {}, h("th", { scope: "row" }, words), h("td", {}, value(one)), h("td", {}, value(other)));
  const apart = new Map(other.asynchrony.by_bar.map((bar) => [bar.beat, bar]));
  const both = one.asynchrony.by_bar.filter((bar) => apart.has(bar.beat)).map((bar) => ({ beat: bar.beat, name: name(bar), one: bar.mean_abs_ms, other: apart.get(bar.beat)?.mean_abs_ms ?? 0 }));
  fill(main, h("h1", {}, one.piece),
    h("p", { class: "legend" }, h("span", { class: "line solo" }, "first: ", link(one, when(one.started) || one.name)), h("span", { class: "dashed other" }, "second: ", link(other, when(other.started) || other.name))),
    h("section", {}, h("h2", {}, "Tempo"), lines([
      { name: "first", kind: "line", tone: "solo", points: one.tempo.solo },
      { name: "second", kind: "dashed", tone: "other", points: other.tempo.solo },
    ], bars, "Quarters a minute along the bars, in both takes")),
    h("section", {}, h("h2", {}, "How far apart, bar by bar"), both.length
      ? h("div", {}, pairs(both, "Mean distance between soloist and orchestra in each bar, in milliseconds, in both takes"), table(both))
      : h("p", { class: "none" }, "The two takes share no bar in which soloist and orchestra meet.")),
    h("section", {}, h("h2", {}, "In figures"), h("table", {}, h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, "first"), h("th", { scope: "col" }, "second"))),
      h("tbody", {}, row("soloist", (take) => take.soloist), row("length", (take) => minutes(take.duration_s)),
        row("apart, median", (take) => ms(take.asynchrony.median_ms)), row("within 30 ms", (take) => share(take.asynchrony.within_30)),
        row("within 50 ms", (take) => share(take.asynchrony.within_50)), row("slips", (take) => String(take.slips.length)),
        row("stops", (take) => String(take.hesitations.length))))));
}

function table(rows: { name: string; one: number; other: number }[]): HTMLElement {
  return h("details", {}, h("summary", {}, "As a table"), h("table", {},
    h("thead", {}, h("tr", {}, ...["bar", "first, ms", "second, ms"].map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.name), h("td", {}, row.one.toFixed(0)), h("td", {}, row.other.toFixed(0)))))));
}

/** Which other take to compare with: those of the same music. */
export function comparing(take: Review): HTMLElement {
  const box = h("div", { class: "row" });
  get<TakeRow[]>("/api/takes").then((all) => {
    const others = all.filter((one) => one.digest === take.digest && one.name !== take.name);
    if (!others.length) { fill(box, h("p", { class: "none" }, "There is no other take of this music yet.")); return; }
    const choose = h("select", { id: "other", "aria-label": "The other take" }, ...others.map((one) =>
      h("option", { value: one.name }, [one.soloist, when(one.started), minutes(one.duration_s)].filter(Boolean).join(" · "))));
    fill(box, choose, h("button", { class: "quiet", id: "compare", onclick: () => {
      location.hash = `#/compare/${encodeURIComponent(take.name)}/${encodeURIComponent((choose as unknown as HTMLSelectElement).value)}`;
    } }, "Compare"));
  }).catch((error: Error) => say(error.message));
  return box;
}
