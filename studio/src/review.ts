// After the take: listen, tempo against what is remembered, asynchrony by bar, what to practise, exports.

import { get, post, remove, type Piece, type Review, type Stand, type TakeRow } from "./api";
import { booth, pageKey } from "./booth";
import { columns, lines, type Series } from "./chart";
import { comparing } from "./compare";
import { fill, h, minutes, say, when } from "./dom";
import { markedScore } from "./marked";
import { line } from "./socket";

export const showTakes = () => (main: HTMLElement) => {
  main.append(h("h1", {}, "Takes"));
  get<TakeRow[]>("/api/takes")
    .then((takes) => {
      if (!takes.length) main.append(h("p", { class: "none" }, "No takes yet. Every rehearsal is kept as one."));
      else main.append(h("ul", { class: "pieces", "aria-label": "Takes" }, ...takes.map((take) =>
        h("li", {}, h("a", { class: "card", href: `#/take/${encodeURIComponent(take.name)}` }, h("strong", {}, take.piece),
          h("span", {}, [take.soloist, when(take.started), minutes(take.duration_s), `${take.solo_notes} notes`].filter(Boolean).join(" · ")))))));
    })
    .catch((error: Error) => say(error.message));
  return () => undefined;
};

export const showReview = (name: string) => (main: HTMLElement) => {
  main.append(h("p", { class: "waiting" }, "Looking at the take …"));
  const closing: (() => void)[] = [];
  Promise.all([get<Review>(`/api/takes/${encodeURIComponent(name)}`), get<Piece[]>("/api/library")])
    .then(([take, pieces]) => draw(main, take, pieces.find((one) => one.id === take.score || take.score?.includes(`/${one.id}/`)), closing))
    .catch((error: Error) => fill(main, h("p", { class: "trouble" }, error.message), h("a", { href: "#/takes" }, "Back to the takes")));
  return () => closing.forEach((close) => close());
};

const share = (value: number | null): string => (value === null ? "–" : `${Math.round(value * 100)} %`);

function draw(main: HTMLElement, take: Review, piece: Piece | undefined, closing: (() => void)[]): void {
  const where = `/api/takes/${encodeURIComponent(take.name)}`;
  const bars = take.bars.map(([beat, number, passing]): [number, string] => [beat, passing > 1 ? `${number}·${passing}` : number]);
  const apart = take.asynchrony;
  fill(
    main,
    h("h1", {}, take.piece),
    h("p", { class: "facts" }, [take.soloist, when(take.started), minutes(take.duration_s), `${take.solo_notes} solo notes`].filter(Boolean).join(" · ")),
    h("dl", { class: "figures" },
      figure("apart, median", apart.median_ms === null ? "–" : `${apart.median_ms.toFixed(0)} ms`),
      figure("within 30 ms", share(apart.within_30)),
      figure("within 50 ms", share(apart.within_50)),
      figure("shared onsets", String(apart.onsets)),
      figure("slips", String(take.slips.length))),
    listening(where),
    section("Tempo", tempo(take, bars)),
    section("How far apart, bar by bar", asynchrony(take)),
    section("On the page", onPage(take, piece, closing)),
    section("What the orchestra learnt", learnt(take)),
    take.practise.length || take.hesitations.length ? section("Worth practising", practise(take, piece)) : null,
    section("Beside another take", comparing(take)),
    section("Keep or let go", keep(take, where)),
  );
}

const figure = (name: string, value: string): HTMLElement => h("div", {}, h("dt", {}, name), h("dd", {}, value));
const section = (name: string, ...content: (Element | null)[]): HTMLElement => h("section", {}, h("h2", {}, name), ...content);

function listening(where: string): HTMLElement {
  const player = h("div", { class: "player" });
  const play = (what: string, words: string): HTMLElement =>
    h("button", { class: "quiet", onclick: () => {
      const audio = h("audio", { controls: true, autoplay: true, src: `${where}/export/wav?what=${what}&listen=1`, "aria-label": words });
      const waiting = h("p", { class: "waiting" }, "Rendering the sound …");
      audio.addEventListener("canplay", () => waiting.remove());
      audio.addEventListener("error", () => fill(player, h("p", { class: "trouble" }, "It could not be rendered. Is a synthesiser installed? See: collaparte doctor")));
      fill(player, waiting, audio);
    } }, words);
  return h("section", { class: "listen" }, h("h2", {}, "Listen back"),
    h("div", { class: "row" }, play("both", "Both"), play("solo", "Soloist"), play("orchestra", "Orchestra")), player);
}

function tempo(take: Review, bars: [number, string][]): HTMLElement {
  const runs = take.remembered.runs;
  const series: Series[] = [];
  if (runs) {
    series.push({ name: "remembered, with its spread", kind: "band", tone: "remembered", points: take.remembered.curve.map(([x, low, , high]) => [x, low, high]) });
    series.push({ name: `remembered from ${runs} ${runs === 1 ? "take" : "takes"}`, kind: "dashed", tone: "remembered", points: take.remembered.curve.map(([x, , middle]) => [x, middle]) });
  }
  series.push({ name: "orchestra", kind: "line", tone: "orchestra", points: take.tempo.orchestra });
  series.push({ name: "soloist", kind: "line", tone: "solo", points: take.tempo.solo });
  const drawn = series.filter((one) => one.points.some((point) => point[1] !== null));
  if (!drawn.length) return h("p", { class: "none" }, "Too little was played to draw a tempo.");
  return h("div", {}, h("p", { class: "legend" }, ...drawn.map((one) => h("span", { class: `${one.kind} ${one.tone}` }, one.name))),
    lines(drawn, bars, "Quarters a minute along the bars: soloist, orchestra, and what is remembered"),
    runs ? null : h("p", { class: "none" }, "Nothing is remembered of this piece yet for this soloist."));
}

function asynchrony(take: Review): HTMLElement {
  const rows = take.asynchrony.by_bar;
  if (!rows.length) return h("p", { class: "none" }, "Soloist and orchestra shared no onset in this take.");
  const name = (row: { bar: string; passing: number }): string => (row.passing > 1 ? `${row.bar}·${row.passing}` : row.bar);
  return h("div", {},
    columns(rows.map((row) => ({ beat: row.beat, name: name(row), value: row.mean_ms, size: row.mean_abs_ms })),
      "Mean distance between soloist and orchestra in each bar, in milliseconds"),
    h("details", {}, h("summary", {}, "As a table"),
      h("table", {}, h("thead", {}, h("tr", {}, ...["bar", "apart, ms", "orchestra later by, ms", "onsets"].map((word) => h("th", { scope: "col" }, word)))),
        h("tbody", {}, ...rows.map((row) => h("tr", {}, h("th", { scope: "row" }, name(row)), h("td", {}, row.mean_abs_ms.toFixed(0)),
          h("td", {}, row.mean_ms.toFixed(0)), h("td", {}, String(row.onsets))))))));
}

function onPage(take: Review, piece: Piece | undefined, closing: (() => void)[]): HTMLElement {
  if (!take.slips.length && !take.hesitations.length) return h("p", { class: "none" }, "No slip and no stop was found.");
  if (!piece?.engraves) return h("ul", {}, ...take.slips.map((slip) => h("li", {}, `Bar ${slip.bar}: ${slip.kind}`)));
  const { element, close } = markedScore(piece, take);
  closing.push(close);
  return element;
}

function learnt(take: Review): HTMLElement {
  const { remembered, kept, attempted, reason, before, bars } = take.learnt;
  const percent = (factor: number): string => `${Math.abs(100 * (factor - 1)).toFixed(0)} %`;
  if (!remembered) return h("p", { class: "none" }, take.soloist.endsWith("(simulated)") ? "Nothing: a simulated soloist is not remembered." : `Nothing${reason ? `: ${reason}` : ": memory was off, or it was forgotten"}.`);
  return h("div", {}, h("p", {}, `It remembers ${kept} of ${attempted} steps from note to note of this take, ${before ? `beside ${before} earlier ${before === 1 ? "run-through" : "run-throughs"}` : "the first of this piece"}.`),
    bars.length ? h("ul", {}, ...bars.map((one) => h("li", {}, `Bar ${one.bar}: you took ${percent(one.took)} ${one.took > 1 ? "more" : "less"} time than before; it now expects ${percent(one.expected)} ${one.expected > 1 ? "more" : "less"}.`)))
      : before ? h("p", { class: "facts" }, "You played much as it knew you.") : null);
}

function practise(take: Review, piece: Piece | undefined): HTMLElement {
  const go = async (from: string, to: string): Promise<void> => {
    if (!piece) throw new Error("This piece is no longer in the library.");
    const [hears, sounds] = [take.wanted?.input === "browser", take.wanted?.output === "browser"];
    if (hears || sounds) await booth.enter(hears, sounds);
    line.answered(await post<Stand>("/api/rehearsal", { ...take.wanted, piece: piece.id, page: pageKey(), from_beat: null, from_bar: null, loop: null, loop_bars: [from, to], speed: 1 }));
    location.hash = "#/stand";
  };
  const button = (from: string, to: string): HTMLElement => h("button", { class: "quiet", "aria-label": from === to ? `Loop bar ${from}` : `Loop bars ${from} to ${to}`,
    onclick: () => { go(from, to).catch((error: Error) => say(error.message)); } }, "Loop it");
  return h("ul", { class: "practise" },
    ...take.practise.map((one) => h("li", {}, h("span", {}, `Bars ${one.from_bar} to ${one.to_bar}: ${one.mean_abs_ms.toFixed(0)} ms apart`), button(one.from_bar, one.to_bar))),
    ...take.hesitations.slice(0, 8).map((one) => h("li", {}, h("span", {}, `Bar ${one.bar}: a stop of ${one.waited_s.toFixed(1)} s`), button(one.bar, one.bar))));
}

function keep(take: Review, where: string): HTMLElement {
  const away = (): void => {
    if (!window.confirm("Delete this take, and forget what was learnt from it? This cannot be undone.")) return;
    remove(where).then(() => { say("The take is deleted."); location.hash = "#/takes"; }).catch((error: Error) => say(error.message));
  };
  const link = (kind: string, words: string): HTMLElement => h("a", { class: "button quiet", href: `${where}/export/${kind}`, download: "" }, words);
  return h("div", { class: "row" }, link("wav", "WAV"), link("midi", "MIDI"), link("csv", "Table (CSV)"), link("positions", "When each note sounded (CSV)"), link("jsonl", "The take itself"),
    h("button", { class: "quiet danger", id: "delete", onclick: away }, "Delete and forget"), h("span", { class: "unseen" }, take.name));
}
