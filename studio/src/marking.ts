// The marks of one piece, edited on its score: click a bar or a note, choose a mark, see it drawn; undo. Every change is
// checked and kept at once. All of it can be done by keyboard: the places are also two fields.

import { get, post, type Mark, type Marks, type Piece, type Spots } from "./api";
import { fill, h, say } from "./dom";
import { KINDS, Overlay, placeOf, said, type Kind } from "./marks";
import { Pages } from "./pages";
import { line } from "./socket";

export const showMarks = (id: string) => (main: HTMLElement) => new MarksView(main, id).close;

class MarksView {
  private piece: Piece | null = null;
  private marks: Marks = {};
  private before: Marks[] = [];
  private after: Marks[] = [];
  private pages: Pages | null = null;
  private overlay: Overlay | null = null;
  private spots: Spots | null = null;
  private closed = false;
  private deaf: () => void;

  private title = h("h1", {}, "Marks");
  private holder = h("div", { class: "holder" });
  private from = h("input", { id: "from", "aria-label": "From bar", placeholder: "bar, or bar.beat" }) as unknown as HTMLInputElement;
  private to = h("input", { id: "to", "aria-label": "To bar", placeholder: "to bar" }) as unknown as HTMLInputElement;
  private kinds = h("div", { class: "kinds", role: "group", "aria-label": "Marks" });
  private list = h("ul", { class: "marklist", id: "marklist", "aria-label": "The marks of this piece" });
  private trouble = h("p", { class: "trouble", role: "alert" });
  private undo = h("button", { id: "undo", title: "Undo (Ctrl-Z)", onclick: () => this.back() }, "Undo");
  private redo = h("button", { id: "redo", class: "quiet", title: "Redo (Ctrl-Y)", onclick: () => this.forth() }, "Redo");
  private pageno = h("span", { class: "pageno" }, "");

  constructor(private main: HTMLElement, private id: string) {
    main.classList.add("marking");
    const turn = (by: number): void => {
      this.pages?.show(this.pages.page + by);
    };
    for (const field of [this.from, this.to]) field.addEventListener("input", () => this.draw());
    main.append(
      h("section", { class: "strip" }, this.title,
        h("div", { class: "side" }, h("button", { class: "quiet", "aria-label": "Page back", onclick: () => turn(-1) }, "‹"), this.pageno,
          h("button", { class: "quiet", "aria-label": "Next page", onclick: () => turn(1) }, "›"))),
      this.holder,
      h("aside", { class: "pencil", "aria-label": "Pencil" },
        h("p", { class: "facts" }, "Click a note or a bar; click a later bar for a range. Then choose a mark."),
        h("div", { class: "places" }, this.from as unknown as HTMLElement, h("span", {}, "to"), this.to as unknown as HTMLElement),
        this.kinds, this.trouble,
        h("div", { class: "row" }, this.undo, this.redo, h("a", { class: "button quiet", id: "done", href: `#/piece/${id}` }, "Done")),
        h("h2", {}, "Marks"), this.list));
    document.addEventListener("keydown", this.key);
    addEventListener("resize", this.resized);
    this.deaf = line.hear((value) => { if (value.kind === "stand") this.locked(); });
    this.load().catch((error: Error) => { this.trouble.textContent = error.message; });
  }

  close = (): void => {
    this.closed = true;
    document.removeEventListener("keydown", this.key);
    removeEventListener("resize", this.resized);
    this.deaf();
    this.pages?.close();
  };

  private async load(): Promise<void> {
    const [piece, found] = await Promise.all([get<Piece>(`/api/library/${this.id}`), get<{ tables: Marks }>(`/api/library/${this.id}/marks`)]);
    this.piece = piece;
    this.marks = found.tables;
    this.title.textContent = `Marks: ${piece.name}`;
    this.kinds.replaceChildren(...KINDS.map((kind) => this.button(kind)), this.instruments(piece));
    this.engrave();
    this.draw();
    this.locked();
  }

  private layout(): string {
    return this.holder.clientWidth > 1.3 * this.holder.clientHeight ? "wide" : "tall";
  }

  private engrave(): void {
    this.pages?.close();
    this.spots = null;
    delete this.main.dataset.spots;
    const pages = new Pages(this.id, this.layout(), this.piece?.solo.length ? "cue" : "full");
    this.pages = pages;
    this.overlay = new Overlay(pages);
    pages.onspot = (bar, note) => this.choose(bar, note);
    pages.onlaid = () => this.draw();
    pages.onready = () => {
      this.pageno.textContent = pages.count ? `${pages.page} / ${pages.total ?? "…"}` : "";
      if (!this.spots && pages.mapped) pages.spots().then((spots) => { this.spots = spots; this.main.dataset.spots = "there"; this.draw(); }, () => undefined);
    };
    fill(this.holder, pages.element);
  }

  private resized = (): void => {
    this.draw();
  };

  /** A bar or a note was clicked: the place, or, in a later bar than the first, the end of a range. */
  private choose(bar: string, note: string | null): void {
    const number = this.spots?.bars.find(([name]) => name === bar)?.[1];
    if (!this.spots || number === undefined) return;
    const spot = note ? this.spots.notes[note] : undefined;
    const unit = this.spots.bars.find(([name]) => name === bar)?.[2] ?? 1;
    const beat = spot ? spot[1] / unit + 1 : null;
    const place = beat === null || spot?.[0] !== number ? number : `${number}.${String(Math.round(beat * 1000) / 1000)}`;
    const order = this.spots.bars.map(([, one]) => one);
    const first = order.indexOf(placeOf(this.from.value).bar);
    if (this.from.value && !this.to.value && order.indexOf(number) > first && first >= 0) this.to.value = number;
    else {
      this.from.value = place;
      this.to.value = "";
    }
    this.trouble.textContent = "";
    this.draw();
  }

  private button(kind: Kind): HTMLElement {
    const asks = kind.asks;
    let extra: HTMLInputElement | HTMLSelectElement | null = null;
    if (asks?.options) {
      extra = h("select", { "aria-label": `${kind.words}, ${asks.label}` }, ...asks.options.map(([key, words]) => h("option", { value: key }, words))) as unknown as HTMLSelectElement;
    } else if (asks?.number) {
      const [least, most, usual] = asks.number;
      extra = h("input", { type: "number", min: least, max: most, value: usual, "aria-label": `${kind.words}, ${asks.label}` }) as unknown as HTMLInputElement;
    }
    const press = h("button", { class: "kind", onclick: () => {
      const from = this.from.value.trim();
      if (!from) {
        this.trouble.textContent = "Click a bar or a note first, or write one.";
        return;
      }
      const to = this.to.value.trim() || placeOf(from).bar;
      const row: Mark = kind.range ? { from: placeOf(from).bar, to, ...kind.row } : { at: from, ...kind.row };
      if (asks && extra) row[asks.name] = asks.number ? Number(extra.value) : extra.value;
      this.add(kind.table, row);
    } }, kind.words);
    return extra ? h("div", { class: "asked" }, press, extra as unknown as HTMLElement) : press;
  }

  private instruments(piece: Piece): HTMLElement {
    const part = h("select", { "aria-label": "Part", id: "whichpart" }, ...(piece.description?.parts ?? []).map((one) => h("option", { value: one.number }, one.name))) as unknown as HTMLSelectElement;
    const name = h("input", { "aria-label": "Instrument", id: "instrument", placeholder: "an instrument" }) as unknown as HTMLInputElement;
    const form = h("form", { class: "asked" }, part as unknown as HTMLElement, name as unknown as HTMLElement, h("button", { type: "submit", class: "kind" }, "Plays it"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const words = name.value.trim();
      if (words) this.add("instrument", { part: Number(part.value), name: words, program: words });
    });
    return form;
  }

  private add(table: string, row: Mark): void {
    const place = JSON.stringify(row.at ?? [row.from, row.part ?? 0]);
    const others = (this.marks[table] ?? []).filter((one) => JSON.stringify(one.at ?? [one.from, one.part ?? 0]) !== place);
    this.change({ ...this.marks, [table]: [...others, row] });
  }

  private take(table: string, at: number): void {
    const rows = (this.marks[table] ?? []).filter((_, place) => place !== at);
    const { [table]: _, ...rest } = this.marks;
    this.change(rows.length ? { ...rest, [table]: rows } : rest);
  }

  private change(marks: Marks): void {
    const former = this.marks;
    void this.keep(marks).then((kept) => {
      if (!kept) return;
      this.before.push(former);
      this.after = [];
      this.draw();
    });
  }

  private back(): void {
    const former = this.before.pop();
    if (!former) return;
    const now = this.marks;
    void this.keep(former).then((kept) => { if (kept) { this.after.push(now); this.draw(); } });
  }

  private forth(): void {
    const later = this.after.pop();
    if (!later) return;
    const now = this.marks;
    void this.keep(later).then((kept) => { if (kept) { this.before.push(now); this.draw(); } });
  }

  private async keep(marks: Marks): Promise<boolean> {
    this.trouble.textContent = "";
    try {
      const found = await post<{ piece: string; tables: Marks }>(`/api/library/${this.id}/marks`, { tables: marks });
      if (this.closed) return false;
      const copied = found.piece !== this.id;
      this.marks = found.tables;
      this.to.value = this.from.value = "";
      if (copied) {
        say("A copy of this piece in your library holds the marks.");
        this.id = found.piece;
        history.replaceState(null, "", `#/marks/${found.piece}`);
        document.getElementById("done")?.setAttribute("href", `#/piece/${found.piece}`);
        this.engrave();
      }
      return true;
    } catch (error) {
      this.trouble.textContent = (error as Error).message.replace(/^Marks: \[\[(\w+)\]\] number \d+, \w+: /, "");
      return false;
    }
  }

  private locked(): void {
    const locked = Boolean(line.last.locked) && ["ready", "playing", "held"].includes(line.last.state);
    for (const one of this.main.querySelectorAll<HTMLButtonElement>(".kinds button, .marklist button")) one.disabled = locked;
    (this.undo as unknown as HTMLButtonElement).disabled = locked || !this.before.length;
    (this.redo as unknown as HTMLButtonElement).disabled = locked || !this.after.length;
    if (locked) this.trouble.textContent = "The edit lock of the stand is on.";
  }

  private draw(): void {
    const from = placeOf(this.from.value).bar;
    this.overlay?.draw(this.marks, this.spots, from ? { from, to: this.to.value.trim() ? placeOf(this.to.value).bar : from } : null);
    const rows = Object.entries(this.marks).flatMap(([table, found]) => found.map((row, at) => h("li", {},
      h("button", { class: "quiet", "aria-label": `Show ${said(table, row)}`, onclick: () => this.goTo(row) }, said(table, row)),
      h("button", { class: "quiet danger round", "aria-label": `Remove ${said(table, row)}`, onclick: () => this.take(table, at) }, "×"))));
    fill(this.list, ...(rows.length ? rows : [h("li", { class: "none" }, "None yet.")]));
    this.locked();
  }

  private goTo(row: Mark): void {
    const place = placeOf(String(row.at ?? row.from ?? "")).bar;
    const name = this.spots?.bars.find(([, number]) => number === place)?.[0];
    if (name) this.pages?.showBar(name);
  }

  private key = (event: KeyboardEvent): void => {
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && key === "z" && !event.shiftKey) this.back();
    else if ((event.ctrlKey || event.metaKey) && (key === "y" || (key === "z" && event.shiftKey))) this.forth();
    else if (event.key === "Escape") {
      this.from.value = this.to.value = "";
      this.draw();
    } else return;
    event.preventDefault();
  };
}
