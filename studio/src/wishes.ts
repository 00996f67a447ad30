// How we play: what the player wishes of the orchestra, before and while it plays. Every wish is a command, and kept
// in the take; what needs the page read anew (key, shortened tuttis, hands) begins again.

import type { Stand, Wanted } from "./api";
import { fill, h } from "./dom";
import { line } from "./socket";

type Options = [string, string][];

export const MODES: Options = [["follow", "Follow me"], ["wait", "Wait for me"], ["keep going", "Keep going"]];
export const METRONOMES: Options = [["off", "off"], ["rests", "in my rests"], ["always", "always"]];
export const KEYS: Options = Array.from({ length: 25 }, (_, at): [string, string] => {
  const semitones = 12 - at;
  return [String(semitones), semitones === 0 ? "as written" : `${Math.abs(semitones)} ${Math.abs(semitones) === 1 ? "semitone" : "semitones"} ${semitones > 0 ? "up" : "down"}`];
});
export const SHORT: Options = [["", "whole"], ...[0, 1, 2, 3, 4, 8].map((bars): [string, string] =>
  [String(bars), bars === 0 ? "left out" : `the last ${bars === 1 ? "bar" : `${bars} bars`}`])];
export const SOUNDS: Options = [["0", "as written"], ["-2", "a tone lower (clarinet, trumpet in B♭)"], ["-3", "3 semitones lower (clarinet in A)"],
  ["-7", "a fifth lower (horn in F)"], ["-9", "a sixth lower (alto saxophone)"], ["-14", "a ninth lower (tenor saxophone)"], ["-12", "an octave lower"], ["12", "an octave higher (piccolo)"]];
export const TUNES: Options = [["", "the A given here"], ["yes", "my A, as it hears me"]];
export const HANDS: Options = [["both", "both"], ["right", "right hand"], ["left", "left hand"]];
const MOST = 1.5;

export interface Asked {
  again: (more: Partial<Wanted> & { loop_bars?: [string, string] | null }) => void;
  close: () => void;
}

export class WishesSheet {
  readonly element = h("aside", { class: "sheet", id: "wishes", "aria-label": "How we play", hidden: true });
  private last = "";
  private held = 0; // a slider that is being moved is left alone until then
  private later = 0;

  private picked: Record<string, string> = {}; // chosen or written, and not yet asked for

  constructor(private asked: Asked) {
    const keep = (event: Event): void => {
      const field = event.target as HTMLInputElement | HTMLSelectElement;
      if (field.closest(".later")) this.picked[field.id] = field.value;
    };
    this.element.addEventListener("input", keep);
    this.element.addEventListener("change", keep);
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  turn(open: boolean, stand: Stand): void {
    this.element.hidden = !open;
    this.last = "";
    this.show(stand);
    if (open) (this.element.querySelector("button, input, select") as HTMLElement | null)?.focus();
  }

  show(stand: Stand): void {
    if (!this.open) return;
    const { wishes, outline, wanted, balance, tuning_hz, state, locked } = stand;
    const now = JSON.stringify([wishes, balance, tuning_hz, state, locked, wanted, outline?.title]);
    if (now === this.last || document.activeElement?.id === "tuning") return;
    if (performance.now() < this.held) {
      window.clearTimeout(this.later);
      this.later = window.setTimeout(() => this.show(stand), this.held - performance.now() + 10);
      return;
    }
    window.clearTimeout(this.later);
    this.last = now;
    if (!wishes || !wanted || !outline) {
      fill(this.element, this.head(), h("p", { class: "facts" }, "Choose a piece and rehearse it; then this is where you say how we play."));
      return;
    }
    const live = ["ready", "playing", "held"].includes(state) && !locked;
    const focus = (document.activeElement as HTMLElement | null)?.id ?? "";
    fill(this.element, this.head(),
      locked ? h("p", { class: "facts" }, "The edit lock is on.") : null,
      this.choice("mode", "When I do not come", MODES, wishes.mode, live, (about) => line.command("mode", null, about)),
      h("div", { class: "pair" },
        this.select("slowest", "Not slower than", limits(0.5, 1), text(wishes.slowest), live, (value) => line.command("slowest", value ? Number(value) : null)),
        this.select("fastest", "Not faster than", limits(0.6, 1.5), text(wishes.fastest), live, (value) => line.command("fastest", value ? Number(value) : null))),
      this.balance(outline.sections, balance ?? {}, live),
      this.choice("tuttis", "Long tuttis", [["play", "played"], ["mute", "silent"]], wishes.tuttis, live,
        (about) => line.command("tuttis", wishes.lead_in_bars, about)),
      wishes.tuttis === "mute" ? this.select("lead_in", "but for the last bars", [0, 1, 2, 3, 4, 8].map((bars): [string, string] => [String(bars), String(bars)]),
        String(wishes.lead_in_bars), live, (value) => line.command("tuttis", Number(value), "mute")) : null,
      h("button", { id: "skip", disabled: !live, onclick: () => line.command("cut") }, "Skip to the bar before my entry"),
      this.choice("metronome", "Metronome", METRONOMES, wishes.metronome, live, (about) => line.command("metronome", null, about)),
      this.tuning(tuning_hz ?? 440, live, wanted.tunes),
      this.loop(stand),
      this.anew(wanted, state));
    for (const [id, value] of Object.entries(this.picked)) {
      const field = this.element.querySelector(`#${id}`);
      if (field) (field as HTMLInputElement).value = value;
    }
    if (focus && this.element.querySelector(`#${CSS.escape(focus)}`)) document.getElementById(focus)?.focus();
  }

  private again(more: Parameters<Asked["again"]>[0]): void {
    this.picked = {};
    (document.activeElement as HTMLElement | null)?.blur();
    this.asked.again(more);
  }

  private head(): HTMLElement {
    return h("header", { class: "row" }, h("h2", {}, "How we play"), h("button", { class: "quiet round", "aria-label": "Close", onclick: this.asked.close }, "×"));
  }

  private choice(name: string, label: string, options: Options, value: string, live: boolean, chosen: (key: string) => void): HTMLElement {
    return h("fieldset", { class: "choice" }, h("legend", {}, label),
      h("div", { class: "segments", role: "group", "aria-label": label }, ...options.map(([key, words]) =>
        h("button", { id: `${name}-${key.replace(" ", "-")}`, disabled: !live, "aria-pressed": String(key === value), onclick: () => chosen(key) }, words))));
  }

  private select(name: string, label: string, options: Options, value: string, live: boolean, chosen: (value: string) => void): HTMLElement {
    const known = options.some(([key]) => key === value);
    const field = h("select", { id: name, disabled: !live }, ...[...(known ? [] : [[value, value] as [string, string]]), ...options].map(([key, words]) =>
      h("option", { value: key, selected: key === value }, words)));
    field.addEventListener("change", () => chosen((field as unknown as HTMLSelectElement).value));
    return h("label", { class: "field" }, h("span", {}, label), field);
  }

  private balance(sections: Record<string, string[]>, levels: Record<string, number>, live: boolean): HTMLElement | null {
    const names = Object.keys(sections);
    if (!names.length) return null;
    const slider = (about: string, words: string, small = false): HTMLElement => {
      const id = `level-${about.replace(/\W+/g, "-")}`;
      const shown = h("output", { for: id }, percent(levels[about] ?? 1));
      const field = h("input", { type: "range", id, min: 0, max: MOST, step: 0.05, value: levels[about] ?? 1, disabled: !live, "aria-label": `How loud: ${words}` });
      field.addEventListener("input", () => {
        const level = Number((field as unknown as HTMLInputElement).value);
        this.held = performance.now() + 1200;
        shown.textContent = percent(level);
        line.command("balance", level, about);
      });
      return h("label", { class: small ? "gain small" : "gain" }, h("span", {}, words), field, shown);
    };
    const all = slider("orchestra", "everybody");
    const parts = Object.values(sections).flat();
    return h("fieldset", { class: "choice" }, h("legend", {}, "Balance"), all,
      ...(names.length > 1 ? names.map((name) => slider(name, name)) : []),
      parts.length > 1 ? h("details", { open: parts.some((name) => name in levels) }, h("summary", {}, "Each part"), ...parts.map((name) => slider(name, name, true))) : null);
  }

  private tuning(hz: number, live: boolean, tunes: boolean): HTMLElement {
    const field = h("input", { type: "number", id: "tuning", min: 415, max: 466, step: 1, value: Math.round(hz * 10) / 10, disabled: !live });
    field.addEventListener("change", () => {
      const value = Number((field as unknown as HTMLInputElement).value);
      if (value >= 415 && value <= 466) line.command("tuning", value);
    });
    return h("label", { class: "field" }, h("span", {}, tunes ? "The orchestra's A, in Hz (it tunes to you)" : "The orchestra's A, in Hz"), field);
  }

  private loop(stand: Stand): HTMLElement {
    const wanted = stand.wanted as Wanted;
    const bars = stand.outline?.bars ?? [];
    const named = (beat: number): string => [...bars].reverse().find((bar) => bar[0] <= beat + 1e-6)?.[1] ?? "";
    const from = h("input", { id: "loopfrom", inputmode: "numeric", "aria-label": "Loop from bar", value: wanted.loop ? named(wanted.loop[0]) : "" }) as unknown as HTMLInputElement;
    const to = h("input", { id: "loopto", inputmode: "numeric", "aria-label": "Loop to bar", value: wanted.loop ? named(wanted.loop[1] - 1e-3) : "" }) as unknown as HTMLInputElement;
    const faster = h("select", { id: "loopspeed", "aria-label": "Each round" }, ...[1, 1.02, 1.03, 1.05, 1.1].map((speed) =>
      h("option", { value: speed, selected: speed === wanted.loop_speed }, speed === 1 ? "same tempo" : `${Math.round((speed - 1) * 100)} % faster`))) as unknown as HTMLSelectElement;
    const go = h("form", { class: "loop" }, from as unknown as HTMLElement, h("span", {}, "to"), to as unknown as HTMLElement, faster as unknown as HTMLElement,
      h("button", { type: "submit", id: "loop" }, wanted.loop ? "Loop anew" : "Loop"),
      wanted.loop ? h("button", { type: "button", id: "unloop", class: "quiet", onclick: () => this.again({ loop: null, from_beat: wanted.loop?.[0] ?? null }) }, "End the loop") : null);
    go.addEventListener("submit", (event) => {
      event.preventDefault();
      if (from.value.trim() && to.value.trim()) {
        this.again({ loop: null, from_beat: null, loop_bars: [from.value.trim(), to.value.trim()], loop_speed: Number(faster.value) });
      }
    });
    return h("fieldset", { class: "choice later" }, h("legend", {}, "Bars, round and round"), go);
  }

  private anew(wanted: Wanted, state: string): HTMLElement {
    const pick = (id: string, label: string, options: Options, value: string): HTMLElement =>
      h("label", { class: "field" }, h("span", {}, label), h("select", { id }, ...options.map(([key, words]) => h("option", { value: key, selected: key === value }, words))));
    const read = (id: string): string => (this.element.querySelector(`#${id}`) as HTMLSelectElement).value;
    return h("fieldset", { class: "choice later" }, h("legend", {}, "For this, we begin again"),
      h("div", { class: "pair" }, pick("key", "Key", KEYS, String(wanted.transpose)),
        pick("short", "Of long tuttis", SHORT, wanted.tutti_bars === null ? "" : String(wanted.tutti_bars)),
        pick("hand", "I play", HANDS, wanted.hand)),
      h("button", { id: "anew", disabled: state === "opening", onclick: () => this.again({
        transpose: Number(read("key")), tutti_bars: read("short") === "" ? null : Number(read("short")), hand: read("hand"), from_beat: null, loop: null,
      }) }, "Begin again so"));
  }
}

const percent = (level: number): string => `${Math.round(level * 100)} %`;
const text = (ratio: number | null): string => (ratio === null ? "" : String(ratio));

function limits(low: number, high: number): Options {
  const found: Options = [["", "no limit"]];
  for (let ratio = high; ratio >= low - 1e-9; ratio -= 0.1) {
    const rounded = Math.round(ratio * 10) / 10;
    found.push([String(rounded), rounded === 1 ? "the written tempo" : `${Math.round(rounded * 100)} % of it`]);
  }
  return found;
}
