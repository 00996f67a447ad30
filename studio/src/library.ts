// The library: pieces, search, and a place to drop a score.

import { get, upload, type Piece } from "./api";
import { fill, h, minutes, say, when } from "./dom";

const ACCEPT = ".musicxml,.xml,.mxl,.mid,.midi,.mei,.krn";
const ORCHESTRA = /acc|orch|piano|klavier|begl|secondo|tutti|reduction/i; // in the name of a pair's second file

export const showLibrary = () => (main: HTMLElement) => {
  let pieces: Piece[] = [];
  const list = h("ul", { class: "pieces", "aria-label": "Pieces" });
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search the library" });
  const picker = h("input", { type: "file", accept: ACCEPT, id: "file", class: "unseen", multiple: true });
  const drop = h(
    "label",
    { class: "drop", for: "file" },
    h("strong", {}, "Add a score"),
    h("span", {}, "Drop a file here, or choose one: MusicXML, MXL, MIDI, MEI or kern. Solo part and orchestra may be two files, dropped together."),
  );

  const draw = (): void => {
    const word = (search as unknown as HTMLInputElement).value.toLocaleLowerCase();
    const told = (piece: Piece): string => [piece.name, ...(piece.parts ?? [])].join(" ").toLocaleLowerCase();
    const shown = pieces.filter((piece) => word.split(/\s+/).every((one) => told(piece).includes(one)));
    // What was played last comes first; what never was keeps its order.
    shown.sort((one, other) => (other.last_played ?? "").localeCompare(one.last_played ?? ""));
    fill(list, ...shown.map(card));
    if (!shown.length) fill(list, h("li", { class: "none" }, "Nothing here by that name."));
  };
  const load = async (): Promise<void> => {
    pieces = await get<Piece[]>("/api/library");
    draw();
  };
  const add = async (files: File[]): Promise<void> => {
    if (files.length > 2) say("One piece at a time: a score, or a solo part and its orchestra.");
    const second = files.length === 2 ? (files.find((file) => ORCHESTRA.test(file.name)) ?? files[1]) : undefined;
    const file = files.find((one) => one !== second);
    if (!file || files.length > 2) return;
    drop.classList.add("busy");
    say(`Reading ${file.name} …`);
    try {
      let piece = await upload<Piece>("/api/library", file);
      if (second) piece = await upload<Piece>(`/api/library/${piece.id}/accompaniment`, second);
      say(`${piece.name} is in the library.`);
      location.hash = `#/piece/${piece.id}`;
    } catch (error) {
      say((error as Error).message);
    } finally {
      drop.classList.remove("busy");
    }
  };

  search.addEventListener("input", draw);
  picker.addEventListener("change", () => void add([...((picker as unknown as HTMLInputElement).files ?? [])]));
  const over = (event: DragEvent): void => {
    event.preventDefault();
    drop.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") void add([...(event.dataTransfer?.files ?? [])]);
  };
  for (const name of ["dragover", "dragleave", "drop"] as const) main.addEventListener(name, over);
  main.append(h("h1", {}, "Library"), h("div", { class: "row" }, search), picker, drop, list);
  load().catch((error: Error) => say(error.message));
  return () => undefined;
};

function card(piece: Piece): HTMLElement {
  const takes = piece.takes === 1 ? "1 take" : `${piece.takes} takes`;
  const notes = [piece.shipped ? "comes with the studio" : null, piece.takes ? takes : "not played yet",
    piece.last_played ? `last on ${when(piece.last_played)}` : null].filter(Boolean);
  const what = [piece.playing?.length ? `you play ${piece.playing.join(", ")}` : piece.parts?.length ? "choose your part" : null,
    piece.bars ? `${piece.bars} bars` : null, piece.duration_s ? minutes(piece.duration_s) : null].filter(Boolean);
  const odd = piece.odd ? `${piece.odd} ${piece.odd === 1 ? "thing looks" : "things look"} odd` : null;
  return h(
    "li",
    {},
    h("a", { class: "card", href: `#/piece/${piece.id}` }, h("strong", {}, piece.name), what.length ? h("span", {}, what.join(" · ")) : null,
      h("span", {}, notes.join(" · ")), odd ? h("span", { class: "odd" }, odd) : null),
  );
}
