// A small dial: the tempo that is played against the tempo that is written.

import { h } from "./dom";

const WIDEST = 0.5; // half as fast again, or half as slow, at the ends

export class Dial {
  private needle = h("svg:line", { x1: 50, y1: 48, x2: 50, y2: 14, class: "needle" });
  private number = h("span", { class: "bpm" }, "–");
  private small = h("small", {}, "quarters a minute");
  readonly element = h("div", { class: "dial", id: "dial", role: "img", "aria-label": "Tempo" },
    h("svg:svg", { viewBox: "0 0 100 54", "aria-hidden": "true" },
      h("svg:path", { d: "M8 48 A42 42 0 0 1 92 48", class: "arc" }),
      h("svg:line", { x1: 50, y1: 2, x2: 50, y2: 10, class: "tick" }), this.needle),
    h("div", {}, this.number, this.small));
  private last = "";

  show(played: number | null, written: number | null): void {
    const text = played === null ? (written === null ? "–" : written.toFixed(0)) : played.toFixed(0);
    const words = played !== null && written !== null ? `written ${written.toFixed(0)}` : written !== null ? "written" : "";
    if (text + words === this.last) return;
    this.last = text + words;
    this.number.textContent = text;
    this.small.textContent = words;
    this.element.setAttribute("aria-label", `Tempo ${text} quarters a minute, ${words}`);
    const ratio = played !== null && written ? Math.log2(played / written) / Math.log2(1 + WIDEST) : 0;
    const angle = Math.max(-1, Math.min(1, ratio)) * 75;
    this.needle.setAttribute("transform", `rotate(${angle.toFixed(1)} 50 48)`);
  }
}
