// How late sound is, measured in two minutes: four steps, one thing to do in each.

import { post, type Calibration, type Devices } from "./api";
import { microphone } from "./booth";
import { fill, h } from "./dom";
import { bar } from "./meters";
import workletUrl from "./worklet.ts?worker&url";

interface Found {
  round_trip_ms: number; spread_ms: number; level_db: number; noise_db: number; heard: number; played: number; complaints: string[];
}
const SOFT = -50;
const AFTER_S = 0.7; // of recording after the clicks, which end with silence

export async function walkThrough(known: Calibration[], devices: Devices, kept: () => void): Promise<HTMLElement> {
  const box = h("div", { class: "walk", role: "group", "aria-label": "Measuring how late sound is" });
  const machine = devices.audio_in.length > 0 && devices.audio_out.length > 0;
  let chosen = "browser";
  let close = (): void => undefined;

  const step = (number: number, words: string, ...content: (Element | null)[]): void => {
    close();
    close = () => undefined;
    fill(box, h("p", { class: "step" }, h("strong", {}, `Step ${number} of 4. `), words), h("div", { class: "row" }, ...content));
    (box.querySelector("button.next") as HTMLElement | null)?.focus({ preventScroll: true });
  };
  const next = (words: string, then: () => void): HTMLElement => h("button", { class: "next", onclick: then }, words);
  const stop = (): HTMLElement => h("button", { class: "quiet", onclick: begin }, "Stop");

  function begin(): void {
    close();
    close = () => undefined;
    fill(box,
      h("p", { class: "facts" }, "Sound needs time from the loudspeaker through the room and the microphone back. When it is measured, the orchestra ",
        "subtracts it, and can take its own sound out of what the microphone hears. It takes two minutes, once for each pair of devices."),
      h("button", { id: "measure", onclick: choose }, known.length ? "Measure again" : "Measure"));
  }
  function choose(): void {
    const select = h("select", { "aria-label": "What is measured", id: "pair" },
      h("option", { value: "browser", selected: chosen === "browser" }, "this browser's microphone and loudspeaker"),
      machine ? h("option", { value: "machine", selected: chosen === "machine" }, "the machine's microphone and loudspeaker") : null,
      ...(machine ? devices.audio_in.map((name) => h("option", { value: `machine:${name}`, selected: chosen === `machine:${name}` }, `${name} and the machine's loudspeaker`)) : []));
    step(1, "Which microphone will hear you, and which loudspeaker plays the orchestra?", select,
      next("Next", () => { chosen = (select as unknown as HTMLSelectElement).value; place(); }), stop());
  }
  function place(): void {
    step(2, "Put headphones away. Put the microphone where it will stand when you play, and set the loudspeaker as loud as the orchestra is to be.",
      next("It stands", () => (chosen === "browser" ? level() : quiet())), stop());
  }
  function level(): void {
    const meter = bar("What the microphone hears");
    const go = next("It moves", quiet);
    step(3, "Speak, or play a loud note: the bar below must move, and not turn red.", meter.element, go, stop());
    microphone(localStorage.getItem("microphone")).then((stream) => {
      const context = new AudioContext();
      const listener = context.createAnalyser();
      context.createMediaStreamSource(stream).connect(listener);
      const samples = new Float32Array(listener.fftSize);
      const timer = window.setInterval(() => {
        listener.getFloatTimeDomainData(samples);
        const peak = 20 * Math.log10(Math.max(...samples.map(Math.abs), 1e-5));
        meter.show(peak, peak);
      }, 100);
      close = () => { window.clearInterval(timer); for (const track of stream.getTracks()) track.stop(); void context.close(); };
    }).catch(failed);
  }
  function quiet(): void {
    step(4, "Now be quiet for six seconds. You will hear eight short chirps.", next("Play them", measure), stop());
  }
  function measure(): void {
    step(4, "Listening … please be quiet.", h("progress", { "aria-label": "Measuring" }));
    const work = chosen === "browser" ? inBrowser() : post<Found>("/api/calibration/machine", { input: chosen.split(":")[1] ?? null, output: null });
    work.then(done, failed);
  }
  function done(found: Found): void {
    close();
    kept();
    fill(box,
      h("p", { class: "result", id: "roundtrip", "data-ms": found.round_trip_ms }, h("strong", {}, `${found.round_trip_ms.toFixed(0)} ms`),
        ` there and back, the same within ${Math.max(found.spread_ms, 0.1).toFixed(1)} ms; ${found.heard} of ${found.played} chirps were heard. It is remembered.`),
      found.complaints.length ? h("ul", { class: "trouble" }, ...found.complaints.map((text) => h("li", {}, text))) : null,
      found.level_db < SOFT ? h("p", { class: "facts" }, "They were soft: a louder loudspeaker gives a surer figure.") : null,
      h("div", { class: "row" }, h("button", { class: "quiet", onclick: quiet }, "Once more"), h("button", { class: "next", onclick: begin }, "Done")));
  }
  function failed(error: Error): void {
    close();
    fill(box, h("p", { class: "trouble", id: "measure-trouble" }, error.message),
      h("div", { class: "row" }, h("button", { class: "next", onclick: quiet }, "Try again"), h("button", { class: "quiet", onclick: choose }, "Other devices"), stop()));
  }
  begin();
  return box;
}

/** Play the clicks and record them in one audio thread, so that both begin at the same sample. */
async function inBrowser(): Promise<Found> {
  const stream = await microphone(localStorage.getItem("microphone"));
  const context = new AudioContext({ latencyHint: "interactive" });
  try {
    await context.resume();
    await context.audioWorklet.addModule(workletUrl);
    const rate = context.sampleRate;
    const answer = await fetch(`/api/calibration/clicks?rate=${rate}`);
    if (!answer.ok) throw new Error("The studio does not answer. Is it still running?");
    const clicks = await answer.arrayBuffer();
    const needed = clicks.byteLength / 4 + AFTER_S * rate;
    const node = new AudioWorkletNode(context, "booth", { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [2] });
    context.createMediaStreamSource(stream).connect(node).connect(context.destination);
    await new Promise((ready) => setTimeout(ready, 500)); // a device that has just been opened is not steady yet
    const recorded = await new Promise<Int16Array[]>((heard, gone) => {
      const chunks: Int16Array[] = [];
      let frames = 0;
      const late = window.setTimeout(() => gone(new Error("The microphone stopped. Connect it, and try again.")), 30_000);
      node.port.onmessage = (event: MessageEvent<{ data: ArrayBuffer }>) => {
        const chunk = new Int16Array(event.data.data);
        chunks.push(chunk);
        frames += chunk.length;
        if (frames < needed) return;
        window.clearTimeout(late);
        node.port.onmessage = null;
        heard(chunks);
      };
      node.port.postMessage({ measure: clicks }, [clicks]);
    });
    const latency = Math.min((context.baseLatency + (context.outputLatency || 0)) * 1000, 1000);
    const sent = await fetch(`/api/calibration/browser?rate=${rate}&latency_ms=${latency}`, { method: "POST", body: new Blob(recorded as BlobPart[]) });
    const found = (await sent.json()) as Found & { error?: string };
    if (!sent.ok) throw new Error(found.error ?? "It could not be measured.");
    return found;
  } finally {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  }
}
