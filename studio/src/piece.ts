// One piece: what is in it, who plays the solo, and how to rehearse it.

import { get, post, remove, upload, type Devices, type Piece, type Stand } from "./api";
import { booth, pageKey } from "./booth";
import { fill, h, minutes, say, when } from "./dom";
import { inputs, outputs, settings } from "./settings";
import { line } from "./socket";
import { HANDS, KEYS, METRONOMES, MODES, SHORT, SOUNDS, TUNES } from "./wishes";

const KEPT = "rehearsal";
const PEDALS: [string, string][] = [["", "stays a pedal"], ["big", "begins, holds, goes on"], ["next_entry", "next entry"],
  ["previous_entry", "entry before"], ["tap", "a bar line is now"], ["cut", "skips the tutti"], ["panic", "silence"]];

function kept(): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}

export const showPiece = (id: string) => (main: HTMLElement) => {
  main.append(h("p", { class: "waiting" }, "Reading the score …"));
  const draw = async (): Promise<void> => {
    const [piece, devices] = await Promise.all([get<Piece>(`/api/library/${id}`), get<Devices>("/api/devices")]);
    fill(main, heading(piece), facts(piece), troubles(piece), await form(piece, devices, draw), more(piece, draw));
  };
  draw().catch((error: Error) => fill(main, h("p", { class: "trouble" }, error.message), h("a", { href: "#/" }, "Back to the library")));
  return () => undefined;
};

const heading = (piece: Piece): HTMLElement => h("h1", {}, piece.name);

function facts(piece: Piece): HTMLElement {
  const found = piece.description;
  if (!found) return h("p", {});
  const words = [`${found.bars} bars`, found.metres.map(([, metre]) => metre).filter((metre, at, all) => all.indexOf(metre) === at).join(", "),
    `about ${minutes(found.duration_s)}`, found.repeats.filter(([, , pass]) => pass === 2).map(([from, to]) => `bars ${from} to ${to} repeated`).join(", "), found.fermatas.length ? `${found.fermatas.length} ${found.fermatas.length === 1 ? "fermata" : "fermatas"}` : "",
    piece.takes ? `${piece.takes} ${piece.takes === 1 ? "take" : "takes"}, last on ${when(piece.last_played)}` : "not played yet"];
  return h("p", { class: "facts" }, words.filter(Boolean).join(" · "));
}

function troubles(piece: Piece): HTMLElement | null {
  const found = piece.description?.troubles ?? [];
  if (!found.length) return null;
  const words = found.length === 1 ? "One thing looks odd in this score" : `${found.length} things look odd in this score`;
  return h("details", { class: "troubles" }, h("summary", {}, words), h("ul", {}, ...found.map((text) => h("li", {}, text))));
}

async function form(piece: Piece, devices: Devices, again: () => Promise<void>): Promise<HTMLElement> {
  const before = kept();
  const wanted = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const chosen = piece.solo.length ? piece.solo : piece.suggested;
  const parts = (piece.description?.parts ?? []).filter((part) => part.notes > 0);
  const solo = h(
    "fieldset",
    { class: "parts" },
    h("legend", {}, "I play"),
    ...parts.map((part) =>
      h("label", {}, h("input", { type: "checkbox", name: "solo", value: part.number, checked: chosen.includes(String(part.number)) }),
        h("span", {}, part.name), h("small", {}, `${part.notes} notes`)),
    ),
  );
  const { preferences, profiles } = await settings();
  const select = (name: string, label: string, options: [string, string][], value: string | undefined): HTMLElement =>
    h("label", { class: "field" }, h("span", {}, label),
      h("select", { name }, ...options.map(([key, words]) => h("option", { value: key, selected: key === value }, words))));
  const field = (name: string, label: string, attributes: Record<string, string | number>, value = ""): HTMLElement =>
    h("label", { class: "field" }, h("span", {}, label), h("input", { name, value, ...attributes }));
  const rehearse = h(
    "form",
    { class: "rehearse", "aria-label": "Rehearse" },
    solo,
    h("div", { class: "fields" },
      select("input", "The soloist", await inputs(devices), preferences.input || before.input),
      select("level", "plays", [["low", "soberly"], ["middle", "freely"], ["high", "very freely"], ["amateur 1", "with slips"], ["amateur 2", "with more slips"]], before.level ?? "middle"),
      select("output", "The orchestra", outputs(devices), preferences.output || before.output),
      select("soloist", "Remember me as", profiles.map(({ id, name }): [string, string] => [id, name]), preferences.profile)),
    h("details", { class: "how", open: wanted.size > 0 }, h("summary", {}, "From a bar, tempo, count-in, loop"),
      h("div", { class: "fields" },
        field("from_bar", "From bar", { type: "text", inputmode: "numeric", placeholder: "the beginning" }),
        field("tempo", "Quarters a minute", { type: "number", min: 5, max: 600, placeholder: "as written" }),
        field("count_in", "Bars of count-in", { type: "number", min: 0, max: 8 }, "0"),
        field("loop_from", "Loop from bar", { type: "text" }, wanted.get("from") ?? ""),
        field("loop_to", "to bar", { type: "text" }, wanted.get("to") ?? ""),
        field("loop_speed", "each round faster by", { type: "number", min: 0.5, max: 2, step: 0.01 }, "1"))),
    h("details", { class: "how" }, h("summary", {}, "How we play: waiting, key, tuttis, hands, metronome, pedals"),
      h("div", { class: "fields" },
        select("mode", "When I do not come", MODES, before.mode),
        select("transpose", "Key", KEYS, "0"),
        select("solo_sounds", "My part sounds", SOUNDS, "0"),
        select("tutti_bars", "Long tuttis", SHORT, before.tutti_bars),
        select("hand", "Of two staves I play", HANDS, "both"),
        select("metronome", "Metronome", METRONOMES, before.metronome),
        select("headphones", "I hear the orchestra by", [["", "a loudspeaker"], ["yes", "headphones"]], before.headphones),
        select("tunes", "By microphone, it tunes to", TUNES, before.tunes),
        field("tuning_hz", "The orchestra's A, in Hz", { type: "number", min: 415, max: 466, step: 0.1 }, before.tuning_hz ?? "440"),
        select("pedal67", "The soft pedal (left)", PEDALS, before.pedal67),
        select("pedal66", "The middle pedal", PEDALS, before.pedal66),
        select("pedal64", "The sustaining pedal (right)", PEDALS, before.pedal64))),
    h("button", { type: "submit", class: "big" }, "Rehearse"),
  );
  rehearse.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(rehearse as unknown as HTMLFormElement);
    begin(piece, data).catch((error: Error) => say(error.message));
  });
  solo.addEventListener("change", () => {
    const numbers = [...solo.querySelectorAll("input:checked")].map((input) => (input as HTMLInputElement).value);
    if (numbers.length) {
      post(`/api/library/${piece.id}`, { solo: numbers }).then(again).catch((error: Error) => say(error.message));
    }
  });
  return rehearse;
}

async function begin(piece: Piece, data: FormData): Promise<void> {
  const text = (name: string): string => String(data.get(name) ?? "").trim();
  const [input = "", port] = split(text("input"));
  const [output = "", outPort] = split(text("output"));
  const numbers = data.getAll("solo").map(String);
  if (!numbers.length) throw new Error("Choose the part you play.");
  if (numbers.join() !== piece.solo.join()) await post(`/api/library/${piece.id}`, { solo: numbers });
  const number = (name: string): number | null => (text(name) ? Number(text(name)) : null);
  const habits = Object.fromEntries(["mode", "tutti_bars", "metronome", "tunes", "headphones", "tuning_hz", "pedal64", "pedal66", "pedal67"].map((name) => [name, text(name)]));
  localStorage.setItem(KEPT, JSON.stringify({ ...habits, input: text("input"), output: text("output"), level: text("level") }));
  post("/api/settings", { input: text("input"), output: text("output"), profile: text("soloist") || "me" }).catch(() => undefined);
  localStorage.setItem("webmidi", input === "web" ? (port ?? "") : "");
  if (input === "browser" || output === "browser") await booth.enter(input === "browser", output === "browser");
  const { preferences } = await settings();
  line.answered(await post<Stand>("/api/rehearsal", {
    predictor: preferences.predictor || null,
    piece: piece.id, page: pageKey(), mic: input === "mic" ? port : null, soloist: text("soloist") || "me", input, midi_in: port, output, midi_out: outPort, level: text("level"),
    seed: Math.floor(Math.random() * 1000), from_bar: text("from_bar") || null, tempo: number("tempo"), count_in: number("count_in") ?? 0,
    loop_bars: text("loop_from") && text("loop_to") ? [text("loop_from"), text("loop_to")] : null, loop_speed: number("loop_speed") ?? 1,
    mode: text("mode"), transpose: Number(text("transpose")), solo_sounds: Number(text("solo_sounds")), tutti_bars: number("tutti_bars"), hand: text("hand"), metronome: text("metronome"),
    tuning_hz: number("tuning_hz") ?? 440, headphones: text("headphones") === "yes", tunes: text("tunes") === "yes" && ["mic", "browser"].includes(input), pedals: [64, 66, 67].filter((pedal) => text(`pedal${pedal}`)).map((pedal) => [pedal, text(`pedal${pedal}`)]),
  }));
  location.hash = "#/stand";
}

function split(text: string): [string, string | null] {
  const at = text.indexOf(":");
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

function more(piece: Piece, again: () => Promise<void>): HTMLElement | null {
  const marks = h("a", { class: "button quiet", id: "marks", href: `#/marks/${piece.id}` }, "Marks: fermatas, cuts, who leads");
  if (piece.shipped) return h("div", { class: "more" }, marks);
  const picker = h("input", { type: "file", id: "pair", class: "unseen" });
  picker.addEventListener("change", () => {
    const file = (picker as unknown as HTMLInputElement).files?.[0];
    if (file) upload(`/api/library/${piece.id}/accompaniment`, file).then(again).catch((error: Error) => say(error.message));
  });
  const away = h("button", { class: "quiet danger", onclick: () => {
    if (!window.confirm(`Take “${piece.name}” out of the library? Its takes stay.`)) return;
    remove(`/api/library/${piece.id}`).then(() => { location.hash = "#/"; }).catch((error: Error) => say(error.message));
  } }, "Remove this piece");
  return h("div", { class: "more" }, marks,
    piece.pair ? null : picker,
    piece.pair ? null : h("label", { class: "button quiet", for: "pair" }, "This is the solo part alone: add the orchestra's file"), away);
}
