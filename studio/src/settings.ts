// Settings: who plays, through what, how late that is, and how the page looks.

import { get, post, remove, type Calibration, type Devices } from "./api";
import { dress } from "./appearance";
import { fill, h, say, when } from "./dom";
import { walkThrough } from "./latency";
import { machineMeters, browserMeter } from "./meters";
import { midiInputs } from "./webmidi";

export interface Preferences { profile: string; input: string; output: string; predictor: string; theme: string; size: string }
export interface Profile { id: string; name: string; pieces: number; runs: number }
export interface Settings {
  preferences: Preferences; profiles: Profile[]; predictors: string[]; calibrations: Calibration[]; folder: string;
}
type Options = [string, string][];

export const settings = (): Promise<Settings> => get<Settings>("/api/settings");

/** What can be played with and through, as [KIND or KIND:NAME, words]. */
export async function inputs(devices: Devices): Promise<Options> {
  const web = await midiInputs();
  return [
    ["simulated", "Simulated, to try it"],
    ...devices.midi_in.map((name): [string, string] => [`midi:${name}`, `MIDI: ${name}`]),
    ...(devices.audio_in.length ? [["mic", "The machine's microphone"] as [string, string]] : []),
    ...devices.audio_in.map((name): [string, string] => [`mic:${name}`, `Microphone: ${name}`]),
    ["browser", "The microphone of this browser"],
    ...web.map((name): [string, string] => [`web:${name}`, `MIDI of this browser: ${name}`]),
  ];
}

export function outputs(devices: Devices): Options {
  return [
    ...(devices.audio_out.length ? [["synth", "The built-in synthesiser"] as [string, string]] : []),
    ...(devices.soundfont ? [["browser", "This browser"] as [string, string]] : []),
    ...devices.midi_out.map((name): [string, string] => [`midi:${name}`, `MIDI: ${name}`]),
    ["silent", "Silent: follow only"],
  ];
}

export const showSettings = () => (main: HTMLElement) => {
  const closing: (() => void)[] = [];
  main.append(h("h1", {}, "Settings"), h("p", { class: "waiting" }, "Looking at the devices …"));
  Promise.all([settings(), get<Devices>("/api/devices")])
    .then(([found, devices]) => draw(main, found, devices, closing))
    .catch((error: Error) => fill(main, h("h1", {}, "Settings"), h("p", { class: "trouble" }, error.message)));
  return () => closing.forEach((close) => close());
};

const section = (id: string, name: string, ...content: (Element | null)[]): HTMLElement =>
  h("section", { class: "panel", id, "aria-labelledby": `${id}-name` }, h("h2", { id: `${id}-name` }, name), ...content);

async function draw(main: HTMLElement, found: Settings, devices: Devices, closing: (() => void)[]): Promise<void> {
  const { preferences } = found;
  const prefer = (name: keyof Preferences, value: string): void => {
    preferences[name] = value;
    if (name === "theme" || name === "size") dress(preferences);
    post<Settings>("/api/settings", { [name]: value }).then(() => say("Remembered."), (error: Error) => say(error.message));
  };
  const choice = (name: keyof Preferences, label: string, options: Options): HTMLElement => {
    const field = h("select", { name, id: `choose-${name}` }, ...options.map(([key, words]) =>
      h("option", { value: key, selected: key === preferences[name] }, words)));
    field.addEventListener("change", () => prefer(name, (field as unknown as HTMLSelectElement).value));
    return h("label", { class: "field" }, h("span", {}, label), field);
  };
  const meters = h("div", { class: "meters" });
  closing.push(machineMeters(meters, devices), browserMeter(meters));
  fill(
    main,
    h("h1", {}, "Settings"),
    section("players", "Who plays", profiles(found, prefer)),
    section("devices", "Devices",
      h("p", { class: "facts" }, "What a piece begins with. Each can be chosen anew on the piece's page."),
      h("div", { class: "fields" }, choice("input", "The soloist", await inputs(devices)), choice("output", "The orchestra", outputs(devices))),
      meters),
    section("latency", "How late sound is", await walkThrough(found.calibrations, devices, () => void settings().then((now) => kept(now.calibrations))), kept(found.calibrations)),
    section("orchestra", "How the orchestra foresees you",
      h("div", { class: "fields" }, choice("predictor", "Its next beat comes from", [["", "the best there is"],
        ...(found.predictors.includes("policy") ? [["policy", "the trained agent, which learns your rubato"] as [string, string]] : []),
        ["steady", "a plain tempo model"]]))),
    section("appearance", "Appearance",
      h("div", { class: "fields" },
        choice("theme", "Colours", [["auto", "as the system has them"], ["light", "light"], ["dark", "dark"]]),
        choice("size", "Letters", [["normal", "normal"], ["large", "large"]]))),
    h("p", { class: "facts" }, `Everything is kept in ${found.folder}.`),
  );
}

function kept(calibrations: Calibration[]): HTMLElement {
  const list = document.getElementById("measured") ?? h("ul", { id: "measured", class: "measured" });
  const name = (device: string): string => (device === "default" ? "the machine's own" : device === "browser" ? "this browser" : device);
  fill(list, ...calibrations.map((one) => h("li", {},
    `${name(one.input)} and ${name(one.output)}: ${(1000 * one.round_trip_s).toFixed(0)} ms there and back, measured on ${when(one.when)}`)));
  return list as HTMLElement;
}

function profiles(found: Settings, prefer: (name: keyof Preferences, value: string) => void): HTMLElement {
  const list = h("ul", { class: "profiles", "aria-label": "Profiles" });
  const again = (): void => { settings().then((now) => { Object.assign(found, now); rows(); }).catch((error: Error) => say(error.message)); };
  const asked = (what: Promise<unknown>, words: string): void => { what.then(() => { say(words); again(); }, (error: Error) => say(error.message)); };
  const rows = (): void => fill(list, ...found.profiles.map((profile) => {
    const here = profile.id === found.preferences.profile;
    const memory = profile.runs ? `${profile.runs} ${profile.runs === 1 ? "run-through" : "run-throughs"} of ${profile.pieces} ${profile.pieces === 1 ? "piece" : "pieces"} remembered` : "nothing remembered yet";
    return h("li", { class: here ? "chosen" : null },
      h("label", {}, h("input", { type: "radio", name: "profile", value: profile.id, checked: here, onchange: () => { prefer("profile", profile.id); found.preferences.profile = profile.id; rows(); } }),
        h("strong", {}, profile.name), h("small", {}, memory)),
      h("button", { class: "quiet", "aria-label": `Rename ${profile.name}`, onclick: () => {
        const name = window.prompt("The new name", profile.name);
        if (name) asked(post(`/api/profiles/${encodeURIComponent(profile.id)}`, { name }), `Now called ${name}.`);
      } }, "Rename"),
      h("button", { class: "quiet danger", "aria-label": `Delete ${profile.name}`, onclick: () => {
        if (!window.confirm(`Delete ${profile.name}, and forget how ${profile.name} plays (${memory})? The takes stay. This cannot be undone.`)) return;
        asked(remove(`/api/profiles/${encodeURIComponent(profile.id)}`), `${profile.name} is deleted.`);
      } }, "Delete"));
  }));
  rows();
  const name = h("input", { type: "text", maxlength: 60, id: "newprofile", placeholder: "Name", "aria-label": "Name of the new profile" }) as unknown as HTMLInputElement;
  const form = h("form", { class: "row" }, name as unknown as HTMLElement, h("button", { type: "submit", class: "quiet" }, "Add"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (name.value.trim()) asked(post("/api/profiles", { name: name.value }), `${name.value} may play now.`);
    name.value = "";
  });
  return h("div", {}, h("p", { class: "facts" }, "The orchestra remembers each soloist by themselves."), list, form);
}
