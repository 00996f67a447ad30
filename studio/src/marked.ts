// The score after the take: what was missed, wrong or too many, and where the soloist stopped, marked on the page.

import type { Piece, Review, Slip } from "./api";
import { h } from "./dom";
import { Pages } from "./pages";

const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const name = (pitch: number): string => `${NAMES[((pitch % 12) + 12) % 12] ?? ""}${Math.floor(pitch / 12) - 1}`;

/** A slip in words. */
export function words(slip: Slip): string {
  if (slip.kind === "wrong") return `Bar ${slip.bar}: ${name(slip.pitch)} for ${name(slip.instead ?? slip.pitch)}`;
  if (slip.kind === "missed") return `Bar ${slip.bar}: ${name(slip.pitch)} not heard`;
  return `Bar ${slip.bar}: ${name(slip.pitch)} too many`;
}

export function markedScore(piece: Piece, take: Review): { element: HTMLElement; close: () => void } {
  const pages = new Pages(piece.id, innerWidth > innerHeight ? "wide" : "tall", "solo");
  const where = h("span", { class: "pageno" }, "");
  const turn = (by: number): void => pages.show(pages.page + by);
  const kinds = new Map<number, string>();
  for (const stop of take.hesitations) kinds.set(round(stop.beat), "stopped");
  for (const slip of take.slips) kinds.set(round(slip.beat), slip.kind);
  const first = Math.min(...kinds.keys());
  let turned = false;
  pages.onready = () => {
    where.textContent = pages.count ? `${pages.page} / ${pages.total ?? "…"}` : "engraving …";
    pages.classify(kinds);
    const page = pages.pageAt(first);
    if (!turned && page) {
      turned = true;
      pages.show(page);
    }
  };
  const legend = h("p", { class: "legend marks" }, h("span", { class: "missed" }, "not heard"), take.by_sound ? null : h("span", { class: "wrong" }, "wrong note"),
    take.by_sound ? null : h("span", { class: "extra" }, "something more"), h("span", { class: "stopped" }, "a stop"));
  const element = h("div", { class: "marked" }, legend, h("div", { class: "leaf" }, pages.element),
    h("div", { class: "row turns" }, h("button", { class: "quiet", "aria-label": "Page back", onclick: () => turn(-1) }, "‹"), where,
      h("button", { class: "quiet", "aria-label": "Next page", onclick: () => turn(1) }, "›")),
    take.by_sound ? h("p", { class: "facts" }, "You were heard through a microphone, so only what was not heard at all is marked: an ear is not sure enough of wrong notes.") : null,
    h("details", {}, h("summary", {}, `As a list (${take.slips.length})`), h("ul", {}, ...take.slips.map((slip) => h("li", {}, words(slip))))));
  return { element, close: () => pages.close() };
}

const round = (beat: number): number => Math.round(beat * 1e6) / 1e6;
