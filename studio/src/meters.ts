// Live meters: the machine's microphone and MIDI inputs over a socket of their own, the browser's microphone here.

import type { Devices } from "./api";
import { microphone } from "./booth";
import { fill, h, say } from "./dom";

const FLOOR = -60;
const LOUD = -6; // from here on it will clip

/** A bar that shows decibels; good is green, too loud is red, and the words say the same. */
export function bar(label: string): { element: HTMLElement; show: (level_db: number | null, peak_db: number | null) => void } {
  const fillings = h("svg:rect", { x: 0, y: 0, width: 0, height: 10, class: "level" });
  const words = h("small", {}, "no sound");
  const picture = h("svg:svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" }, fillings);
  const element = h("div", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": FLOOR, "aria-valuemax": 0, "aria-valuenow": FLOOR },
    h("span", {}, label), picture, words);
  return {
    element,
    show(level_db, peak_db): void {
      const level = Math.max(level_db ?? FLOOR, FLOOR);
      fillings.setAttribute("width", String(((level - FLOOR) / -FLOOR) * 100));
      const loud = (peak_db ?? FLOOR) > LOUD;
      fillings.setAttribute("class", loud ? "level loud" : "level");
      words.textContent = level_db === null ? "no sound" : `${level_db.toFixed(0)} dB${loud ? ", too loud" : level_db < -50 ? ", very soft" : ""}`;
      element.setAttribute("aria-valuenow", level.toFixed(0));
    },
  };
}

export function machineMeters(parent: HTMLElement, devices: Devices): () => void {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/meter`);
  const trouble = h("p", { class: "trouble" });
  const midi = h("ul", { class: "activity", "aria-label": "MIDI inputs" });
  const lamps = new Map<string, { lamp: HTMLElement; count: number; until: number }>();
  for (const name of devices.midi_in) {
    const lamp = h("i", {});
    lamps.set(name, { lamp, count: 0, until: 0 });
    midi.append(h("li", {}, lamp, h("span", {}, name)));
  }
  const meter = bar("The machine's microphone");
  const choose = h("select", { id: "meter-mic", "aria-label": "Microphone to be measured" }, h("option", { value: "-" }, "off"),
    h("option", { value: "" }, "the machine's own"), ...devices.audio_in.map((name) => h("option", { value: name }, name)));
  const tell = (): void => {
    const { value } = choose as unknown as HTMLSelectElement;
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ mic: value === "-" ? false : value || null }));
    meter.show(null, null);
  };
  choose.addEventListener("change", tell);
  socket.onmessage = (message: MessageEvent<string>) => {
    const now = JSON.parse(message.data) as { level_db: number | null; peak_db: number | null; midi: Record<string, number>; trouble: string | null };
    if (now.level_db !== null) meter.show(now.level_db, now.peak_db);
    trouble.textContent = now.trouble ?? "";
    for (const [name, count] of Object.entries(now.midi)) {
      const row = lamps.get(name);
      if (!row) continue;
      if (count !== row.count) row.until = performance.now() + 300;
      row.count = count;
      row.lamp.dataset.on = String(performance.now() < row.until);
    }
  };
  parent.append(h("div", { class: "metered" }, choose, meter.element), trouble,
    devices.midi_in.length ? midi : h("p", { class: "facts" }, "There is no MIDI input on this machine."));
  return () => socket.close();
}

export function browserMeter(parent: HTMLElement): () => void {
  const meter = bar("This browser's microphone");
  const devices = h("select", { id: "browser-mic", "aria-label": "Microphone of this browser", hidden: true });
  let close = (): void => undefined;
  const open = async (): Promise<void> => {
    close();
    const stream = await microphone(localStorage.getItem("microphone"));
    const context = new AudioContext();
    const listener = context.createAnalyser();
    listener.fftSize = 2048;
    context.createMediaStreamSource(stream).connect(listener);
    const samples = new Float32Array(listener.fftSize);
    const timer = window.setInterval(() => {
      listener.getFloatTimeDomainData(samples);
      let [power, peak] = [0, 0];
      for (const one of samples) { power += one * one; peak = Math.max(peak, Math.abs(one)); }
      const db = (value: number): number => 20 * Math.log10(Math.max(value, 1e-5));
      meter.show(db(Math.sqrt(power / samples.length)), db(peak));
    }, 100);
    close = () => {
      window.clearInterval(timer);
      for (const track of stream.getTracks()) track.stop();
      void context.close();
      close = () => undefined;
      meter.show(null, null);
    };
    const there = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "audioinput");
    const now = stream.getAudioTracks()[0]?.getSettings().deviceId;
    fill(devices, ...there.map((one) => h("option", { value: one.deviceId, selected: one.deviceId === now }, one.label || "a microphone")));
    devices.hidden = there.length < 2;
  };
  devices.addEventListener("change", () => {
    localStorage.setItem("microphone", (devices as unknown as HTMLSelectElement).value);
    open().catch((error: Error) => say(error.message));
  });
  const button = h("button", { class: "quiet", id: "meter-browser", "aria-pressed": "false", onclick: () => {
    if (button.getAttribute("aria-pressed") === "true") { close(); button.setAttribute("aria-pressed", "false"); return; }
    open().then(() => button.setAttribute("aria-pressed", "true"), (error: Error) => say(error.message));
  } }, "Listen");
  parent.append(h("div", { class: "metered" }, button, devices, meter.element));
  return () => close();
}
