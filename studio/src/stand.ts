// The stand: score, cursor, one big control, one panic key, and how sure the orchestra is.

import { post, type Outline, type Plan, type Position, type Stand, type Wanted } from "./api";
import { fill, h, say } from "./dom";
import { Dial } from "./dial";
import { Pages } from "./pages";
import { line, type Value } from "./socket";
import { MODES, WishesSheet } from "./wishes";
import { listen } from "./webmidi";

const TURN_AHEAD_S = 0.8;
const BACK_AFTER_MS = 4000; // a page turned by hand stays so long

const VIEWS = ["solo", "cue", "full"];
const SEES: Record<string, string> = { solo: "My part", cue: "With a cue", full: "Full score" };

const BIG: Record<Stand["state"], string> = {
  empty: "Choose a piece", opening: "Opening …", ready: "Begin", playing: "Hold", held: "Go on", over: "Again", failed: "Try again",
};
const WORDS: Record<Stand["state"], string> = {
  empty: "", opening: "Opening the instruments", ready: "Play when you like, or let the orchestra begin",
  playing: "", held: "The orchestra holds", over: "The take is kept", failed: "",
};

export const showStand = () => (main: HTMLElement) => new StandView(main).close;

class StandView {
  private now: Stand = line.last;
  private position: Position | null = null;
  private plan: Plan | null = null;
  private outline: Outline | null = null;
  private pages: Pages | null = null;
  private piece = "";
  private layout = "";
  private view = localStorage.getItem("view") ?? "solo";
  private turnedAt = -Infinity;
  private frame = 0;
  private deaf: () => void;
  private nokeys: () => void = () => undefined;
  private listening = "";
  private pagesOf = "";
  private sheet = new WishesSheet({ again: (more) => this.again(null, more), close: () => this.wishes(false) });

  private bar = h("output", { class: "barnumber", id: "bar", "aria-label": "Bar" }, "–");
  private words = h("p", { class: "words", id: "words", role: "status" });
  private light = h("div", { class: "light", id: "light", role: "status" }, h("i", {}), h("span", {}, ""));
  private dial = new Dial();
  private holder = h("div", { class: "holder" });
  private big = h("button", { class: "big", id: "big", onclick: () => this.press() }, "");
  private stop = h("button", { id: "stop", onclick: () => line.command("stop") }, "Stop");
  private panic = h("button", { class: "panic", id: "panic", title: "Silence at once (Escape)", onclick: () => line.command("panic") }, "Panic");
  private how = h("button", { class: "quiet", id: "how", "aria-expanded": "false", "aria-controls": "wishes", title: "How we play (W)", onclick: () => this.wishes(!this.sheet.open) }, "How we play");
  private marks = h("a", { class: "button quiet", id: "marks", title: "Fermatas, cuts, who leads", href: "#/" }, "Marks");
  private lock = h("button", { class: "quiet", id: "lock", "aria-pressed": "false", title: "Edit lock (L)", onclick: () => line.command("lock") }, "Lock");
  private place = h("input", { id: "frombar", type: "text", inputmode: "numeric", "aria-label": "Go to bar", placeholder: "Bar" }) as unknown as HTMLInputElement;

  constructor(main: HTMLElement) {
    main.classList.add("stand");
    const go = h("form", { class: "goto" }, this.place as unknown as HTMLElement, h("button", { type: "submit", class: "quiet" }, "Go"));
    go.addEventListener("submit", (event) => {
      event.preventDefault();
      this.toBar(this.place.value.trim());
      this.place.value = "";
      this.place.blur();
    });
    const tempo = (factor: number): void => {
      if (this.plan) line.command("tempo", this.plan.beat_period_s * factor);
    };
    main.append(
      h("section", { class: "strip", "aria-label": "Where we are" },
        h("div", { class: "where" }, h("small", {}, "bar"), this.bar),
        this.words,
        h("div", { class: "tempo" },
          h("button", { class: "quiet round", "aria-label": "Slower", title: "Slower (−)", onclick: () => tempo(1.04) }, "−"),
          this.dial.element,
          h("button", { class: "quiet round", "aria-label": "Faster", title: "Faster (+)", onclick: () => tempo(1 / 1.04) }, "+")),
        this.light),
      this.holder,
      h("section", { class: "controls", "aria-label": "Controls" },
        h("div", { class: "side" },
          h("button", { class: "quiet", id: "view", title: "My part, with a cue of the orchestra, or the full score (F)", onclick: () => this.turnView() }, ""),
          h("button", { class: "quiet", "aria-label": "Page back", onclick: () => this.turn(-1) }, "‹"),
          h("span", { id: "pageno", class: "pageno" }, ""),
          h("button", { class: "quiet", "aria-label": "Next page", onclick: () => this.turn(1) }, "›"),
          go),
        this.big,
        h("div", { class: "side end" }, this.how, this.marks, this.lock, this.stop, this.panic)),
      this.sheet.element,
    );
    document.addEventListener("keydown", this.key);
    addEventListener("resize", this.turned);
    this.deaf = line.hear((value) => this.hear(value));
    this.take(line.last);
    this.tick();
  }

  close = (): void => {
    cancelAnimationFrame(this.frame);
    document.removeEventListener("keydown", this.key);
    removeEventListener("resize", this.turned);
    this.deaf();
    this.nokeys();
    this.pages?.close();
  };

  private hear(value: Value): void {
    if (value.kind === "stand") this.take(value);
    else if (value.kind === "position") {
      const back = this.position !== null && value.beat < this.position.beat - 1e-6;
      this.position = value;
      if (back) this.pages?.forgetAfter(value.beat);
      if (value.state === "playing" || value.state === "finished") this.pages?.hear(value.beat);
    } else if (value.kind === "plan") this.plan = value;
  }

  private take(stand: Stand): void {
    this.now = stand;
    this.position = stand.position ?? null;
    this.plan = stand.plan ?? null;
    this.outline = stand.outline ?? null;
    const pagesOf = JSON.stringify([stand.piece, stand.wanted?.transpose, stand.wanted?.tutti_bars, stand.wanted?.hand]);
    if (stand.piece && pagesOf !== this.pagesOf) {
      this.piece = stand.piece;
      this.pagesOf = pagesOf;
      this.engrave();
    }
    this.pages?.setHeard(stand.heard ?? []);
    const wanted = stand.wanted;
    const port = wanted?.input === "web" && ["opening", "ready", "playing", "held"].includes(stand.state) ? (localStorage.getItem("webmidi") ?? "") : "";
    if (port !== this.listening) {
      this.nokeys();
      this.nokeys = port ? listen(port) : () => undefined;
      this.listening = port;
    }
    this.draw();
  }

  private turned = (): void => {
    if (this.piece && this.layout !== shape()) this.engrave();
  };

  private engrave(): void {
    const heard = this.pages?.heardBeats ?? this.now.heard ?? [];
    this.pages?.close();
    const layout = (this.layout = shape());
    const { transpose, tutti_bars, hand } = this.now.wanted ?? {};
    const pages = new Pages(this.piece, layout, this.view, { transpose, tutti_bars, hand });
    this.pages = pages;
    pages.onbar = (beats) => this.toBeat(beats);
    pages.onready = () => this.number();
    pages.setHeard(heard);
    fill(this.holder, pages.element);
    this.number();
  }

  private draw(): void {
    const { state } = this.now;
    const live = ["ready", "playing", "held"].includes(state);
    document.body.dataset.state = state;
    fill(this.big, BIG[state]);
    (this.big as unknown as HTMLButtonElement).disabled = state === "opening";
    this.big.dataset.state = state;
    for (const button of [this.stop, this.panic, this.lock]) (button as unknown as HTMLButtonElement).disabled = !live;
    this.lock.setAttribute("aria-pressed", String(Boolean(this.now.locked)));
    fill(this.lock, this.now.locked ? "Locked" : "Lock");
    const view = document.getElementById("view");
    if (view) view.textContent = SEES[this.view] ?? "";
    this.sheet.show(this.now);
    this.marks.hidden = !this.piece || Boolean(this.now.locked && live);
    this.marks.setAttribute("href", `#/marks/${this.piece}`);
    if (state === "over" && this.now.take) {
      fill(this.words, "The take is kept. ", h("a", { href: `#/take/${encodeURIComponent(this.now.take)}` }, "Look at it"),
        this.now.learnt ? ` (${this.now.learnt})` : "");
    } else if (state === "failed") fill(this.words, this.now.trouble ?? "It did not work.");
    else if (state === "empty") fill(this.words, "Nothing is on the stand. ", h("a", { href: "#/" }, "Choose a piece"));
    else fill(this.words, WORDS[state] || [this.outline?.title ?? "", ...this.unusual()].filter(Boolean).join(" · "));
    this.words.classList.toggle("trouble", state === "failed");
  }

  /** What is not as usual, so that it is not forgotten. */
  private unusual(): string[] {
    const { wishes, wanted } = this.now;
    const mode = MODES.find(([key]) => key === wishes?.mode && key !== "follow")?.[1].toLowerCase() ?? "";
    const at = (ratio: number): string => `${Math.round(ratio * 100)} %`;
    return [mode, wishes?.slowest ? `not under ${at(wishes.slowest)}` : "", wishes?.fastest ? `not over ${at(wishes.fastest)}` : "",
      wishes?.tuttis === "mute" ? "silent tuttis" : "", wanted?.transpose ? `${Math.abs(wanted.transpose)} semitones ${wanted.transpose > 0 ? "up" : "down"}` : "",
      wanted?.hand && wanted.hand !== "both" ? `${wanted.hand} hand` : "", wanted?.loop ? "round and round" : ""];
  }

  private wishes(open: boolean): void {
    this.sheet.turn(open, this.now);
    this.how.setAttribute("aria-expanded", String(open));
    if (!open) this.how.focus();
  }

  private number(): void {
    const shown = document.getElementById("pageno");
    if (shown && this.pages) shown.textContent = this.pages.count ? `${this.pages.page} / ${this.pages.total ?? "…"}` : "engraving …";
  }

  /** Where the music is now: along the plan, but not past the note that is awaited. */
  private beat(): number | null {
    const { position, plan } = this;
    const { held_beat } = this.now;
    if (held_beat !== undefined && held_beat !== null) return held_beat; // where the orchestra stands
    if (!plan) return position?.beat ?? (this.now.state === "ready" ? (this.now.wanted?.from_beat ?? 0) : null);
    if (this.now.state !== "playing") return Math.max(plan.from_beat, position?.beat ?? 0);
    const along = plan.from_beat + (line.now() - plan.from_s) / plan.beat_period_s;
    let most = plan.hold_beat ?? Infinity;
    for (const onset of this.outline?.onsets ?? []) {
      if (onset > plan.from_beat + 1e-6) {
        most = Math.min(most, onset);
        break;
      }
    }
    return Math.max(Math.min(along, most), Math.min(plan.from_beat, along + 1));
  }

  private tick = (): void => {
    this.frame = requestAnimationFrame(this.tick);
    const beat = this.beat();
    this.sureness();
    this.dial.show(this.plan && this.now.state !== "ready" ? 60 / this.plan.beat_period_s : null, this.written(beat ?? 0));
    if (beat === null || !this.outline) return;
    const bar = lastNotAfter(this.outline.bars, beat);
    if (bar) {
      const text = bar[2] > 1 ? `${bar[1]}·${bar[2]}` : bar[1];
      if (this.bar.textContent !== text) this.bar.textContent = text;
      this.bar.dataset.beat = beat.toFixed(3);
    }
    const pages = this.pages;
    if (!pages) return;
    if (this.now.state === "playing" && performance.now() - this.turnedAt > BACK_AFTER_MS) {
      const ahead = this.plan ? beat + (TURN_AHEAD_S * (this.now.speed ?? 1)) / this.plan.beat_period_s : beat;
      const here = pages.pageAt(beat);
      const next = pages.pageAt(ahead);
      const page = next > here ? next : here;
      if (page) pages.show(page);
    }
    pages.point(beat);
  };

  private written(beat: number): number | null {
    return this.outline ? (lastNotAfter(this.outline.tempi, beat)?.[1] ?? null) : null;
  }

  private sureness(): void {
    const { position } = this;
    const state = this.now.state;
    let kind = "off";
    let words = "";
    if (state === "ready") [kind, words] = ["listening", "listening"];
    else if (state === "held") [kind, words] = ["held", "held"];
    else if (state === "playing" && position) {
      if (position.state === "lost") [kind, words] = ["lost", "lost: playing on"];
      else if (position.certainty >= 0.8) [kind, words] = ["sure", "with you"];
      else [kind, words] = ["unsure", "not sure"];
    } else if (state === "playing") [kind, words] = ["sure", "orchestra"];
    if (!line.connected) [kind, words] = ["lost", "not connected"];
    if (this.light.dataset.kind !== kind || this.light.dataset.words !== words) {
      this.light.dataset.kind = kind;
      this.light.dataset.words = words;
      (this.light.lastElementChild as Element).textContent = words;
    }
  }

  private press(): void {
    const { state } = this.now;
    if (state === "ready") line.command("start");
    else if (state === "playing") line.command("hold");
    else if (state === "held") line.command("release");
    else if (state === "over" || state === "failed") this.again(null);
    else if (state === "empty") location.hash = "#/";
  }

  /** Once more, as it was wished last; ``more`` is otherwise. */
  private again(from: number | null, more: Partial<Wanted> & { loop_bars?: [string, string] | null } = {}): void {
    const { wanted, wishes, balance, tuning_hz } = this.now;
    post("/api/rehearsal", { ...wanted, ...wishes, balance, tuning_hz, piece: this.piece, from_beat: from ?? wanted?.from_beat ?? null, ...more })
      .catch((error: Error) => say(error.message));
  }

  private toBar(number: string): void {
    const beats = (this.outline?.bars ?? []).filter((bar) => bar[1] === number).map((bar) => bar[0]);
    if (beats.length) this.toBeat(beats);
    else if (number) say(`There is no bar ${number}.`);
  }

  /** From this bar on; where it is played several times, the pass nearest to where we are. */
  private toBeat(beats: number[]): void {
    const here = this.position?.beat ?? 0;
    const beat = [...beats].sort((one, other) => Math.abs(one - here) - Math.abs(other - here))[0] as number;
    const live = ["ready", "playing", "held"].includes(this.now.state);
    this.turnedAt = -Infinity;
    if (live && this.now.locked) say("The edit lock is on.");
    else if (live) line.command("relocate", beat);
    else if (this.piece && this.now.state !== "opening") this.again(beat);
  }

  private turn(by: number): void {
    if (!this.pages) return;
    this.turnedAt = performance.now();
    this.pages.show(this.pages.page + by);
    this.number();
  }

  private turnView(): void {
    this.view = VIEWS[(VIEWS.indexOf(this.view) + 1) % VIEWS.length] as string;
    localStorage.setItem("view", this.view);
    if (this.piece) this.engrave();
    this.draw();
  }

  private key = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.key === "Escape") line.command("panic");
    else if (event.key === "w" && !target.matches("input, select, textarea")) this.wishes(!this.sheet.open);
    else if (target.matches("input, select, textarea") || (event.key === " " && target.closest(".sheet")) || event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === " " || event.key === "PageDown") this.press();
    else if (event.key === "ArrowRight") this.turn(1);
    else if (event.key === "ArrowLeft") this.turn(-1);
    else if (event.key === "f") this.turnView();
    else if (event.key === "l") line.command("lock");
    else if (event.key === "n") line.command("next_entry");
    else if (event.key === "b") line.command("previous_entry");
    else if (event.key === "t") line.command("tap");
    else if (event.key === "+" && this.plan) line.command("tempo", this.plan.beat_period_s / 1.04);
    else if (event.key === "-" && this.plan) line.command("tempo", this.plan.beat_period_s * 1.04);
    else return;
    event.preventDefault();
  };
}

const shape = (): string => (innerWidth > innerHeight ? "wide" : "tall");

/** The last row whose first number is not after ``beat``; the first row before that. */
function lastNotAfter<Row extends [number, ...unknown[]]>(rows: Row[], beat: number): Row | undefined {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as Row)[0] <= beat + 1e-6) low = middle + 1;
    else high = middle;
  }
  return rows[Math.max(low - 1, 0)];
}
