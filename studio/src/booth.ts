// The browser as microphone and loudspeaker of a rehearsal: what is said over the socket is in studio/booth.py.
//
// Times of the server are milliseconds of performance.now; the audio thread counts frames. What is played is placed
// by the moment a frame leaves the loudspeaker, what is heard by the moment it was in.

import { h, say } from "./dom";
import { line } from "./socket";
import workletUrl from "./worklet.ts?worker&url";

const KEY = "page";
const EARLIEST_OF = 400;
const SILENT_AFTER_MS = 3000; // without a word from the server, what sounds is silenced
const MOST_BEHIND = 200_000; // bytes the socket has not taken: sound is dropped, and concealed there

export const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** This page's own name, kept over a reload. */
export function pageKey(): string {
  let key = sessionStorage.getItem(KEY);
  if (!key) sessionStorage.setItem(KEY, (key = Math.random().toString(36).slice(2) + Date.now().toString(36)));
  return key;
}

export async function microphone(device: string | null): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new Error("This browser lends its microphone only on this machine itself, or over https.");
  const audio = { ...RAW, ...(device ? { deviceId: { exact: device } } : {}) };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(`The browser's microphone was not opened (${(error as Error).message}). Allow it for this page.`);
  }
}

interface Message { kind: string; id?: number; seats?: [number, number, number][]; notes?: number[][] }

class Booth {
  context: AudioContext | null = null;
  private node: AudioWorkletNode | null = null;
  private stream: MediaStream | null = null;
  private socket: WebSocket | null = null;
  private zeros: number[] = []; // ms of frame 0, as each chunk's arrival has it
  private wanted: { hears: boolean; sounds: boolean } | null = null;
  private seated = "";
  private latest = 0;
  private watch = 0;
  private wait = 250;

  get open(): boolean {
    return this.wanted !== null;
  }

  /** Must be called by a gesture of the player, else the browser keeps silent. */
  async enter(hears: boolean, sounds: boolean): Promise<void> {
    this.leave();
    this.wanted = { hears, sounds };
    const context = (this.context = new AudioContext({ latencyHint: "interactive" }));
    context.resume().catch(() => undefined);
    await context.audioWorklet.addModule(workletUrl);
    const node = (this.node = new AudioWorkletNode(context, "booth", { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [2] }));
    node.connect(context.destination);
    node.port.onmessage = (event: MessageEvent<{ frame: number; number: number; data: ArrayBuffer }>) => this.pass(event.data);
    if (hears) {
      this.stream = await microphone(localStorage.getItem("microphone"));
      context.createMediaStreamSource(this.stream).connect(node);
      node.port.postMessage({ capture: sounds ? 2 : 1 });
    }
    this.connect();
    this.watch = window.setInterval(() => {
      if (performance.now() - this.latest > SILENT_AFTER_MS) this.silence();
    }, 500);
  }

  leave(): void {
    window.clearInterval(this.watch);
    this.wanted = null;
    this.seated = "";
    this.socket?.close();
    this.socket = null;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.node?.port.postMessage({ silence: true });
    this.context?.close().catch(() => undefined);
    this.context = this.node = null;
    this.zeros = [];
  }

  silence(): void {
    this.node?.port.postMessage({ silence: true });
  }

  private connect(): void {
    const context = this.context;
    if (!context || !this.wanted) return;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/audio`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.wait = 250;
      const channels = this.wanted?.hears ? (this.wanted.sounds ? 2 : 1) : 0;
      this.send({ do: "hello", page: pageKey(), rate: context.sampleRate, channels, latency_s: this.latency });
    };
    socket.onmessage = (message: MessageEvent<string>) => this.told(JSON.parse(message.data) as Message);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.silence();
      if (this.wanted) window.setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(this.wait * 2, 4000);
    };
  }

  private get latency(): number {
    return Math.min((this.context?.baseLatency ?? 0) + (this.context?.outputLatency ?? 0), 1);
  }

  private told(message: Message): void {
    this.latest = performance.now();
    if (message.kind === "ping") this.send({ do: "pong", id: message.id, now_ms: performance.now() });
    else if (message.kind === "notes") this.play(message.notes ?? []);
    else if (message.kind === "panic") this.silence();
    else if (message.kind === "gone") {
      this.leave();
      say("Another page has taken over microphone and loudspeaker.");
    } else if (message.kind === "seats") {
      this.seat(message.seats ?? []).then(
        () => this.send({ do: "ready", latency_s: this.latency }),
        (error: Error) => this.send({ do: "ready", trouble: error.message }));
    }
  }

  private async seat(seats: [number, number, number][]): Promise<void> {
    if (this.context?.state !== "running") await this.context?.resume();
    const presets = [...new Set(seats.map(([bank, program]) => `${bank}.${program}`))].sort().join(",");
    if (JSON.stringify(seats) === this.seated) return;
    const answer = await fetch(`/api/voices?presets=${presets}`);
    if (!answer.ok) throw new Error(((await answer.json()) as { error: string }).error);
    const data = await answer.arrayBuffer();
    const length = new DataView(data).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length))) as { presets: unknown };
    const font = data.slice(4 + length);
    this.node?.port.postMessage({ font, presets: head.presets, seats }, [font]);
    this.seated = JSON.stringify(seats);
  }

  /** Milliseconds of performance.now when frame 0 left, or would have left, the loudspeaker. */
  private leaves(): number {
    const context = this.context as AudioContext;
    const { contextTime = 0, performanceTime = 0 } = context.getOutputTimestamp();
    if (performanceTime > 0) return performanceTime - contextTime * 1000;
    return performance.now() - (context.currentTime - this.latency) * 1000;
  }

  private play(notes: number[][]): void {
    const context = this.context;
    if (!context || !this.node) return;
    const zero = this.leaves();
    this.node.port.postMessage({
      notes: notes.map(([on, note, seat, pitch, velocity, at = 0]) =>
        [on, note, seat, pitch, velocity, Math.round(((at - zero) / 1000) * context.sampleRate)]),
    });
  }

  private pass(chunk: { frame: number; number: number; data: ArrayBuffer }): void {
    const context = this.context;
    const socket = this.socket;
    if (!context) return;
    // A message from the audio thread is never early: the earliest of the last few seconds tells when frame 0 was.
    this.zeros.push(performance.now() - (chunk.frame / context.sampleRate) * 1000);
    if (this.zeros.length > EARLIEST_OF) this.zeros.shift();
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > MOST_BEHIND) return;
    const channels = this.wanted?.sounds ? 2 : 1;
    const message = new Uint8Array(16 + chunk.data.byteLength);
    const header = new DataView(message.buffer);
    header.setFloat64(0, Math.min(...this.zeros) + (chunk.frame / context.sampleRate) * 1000, true);
    header.setUint32(8, chunk.number, true);
    header.setUint16(12, chunk.data.byteLength / 2 / channels, true);
    header.setUint16(14, channels, true);
    message.set(new Uint8Array(chunk.data), 16);
    socket.send(message);
  }

  private send(what: unknown): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(what));
  }
}

export const booth = new Booth();

/** Follow the rehearsal: come back after a reload, leave when it is over, and be silent at once on panic. */
export function attend(): void {
  let mine = false;
  const sound = h("button", { class: "big wake", id: "wake", hidden: true, onclick: () => void booth.context?.resume().catch(() => undefined) }, "Let the sound in");
  document.body.append(sound);
  window.setInterval(() => { sound.hidden = !booth.open || booth.context?.state !== "suspended"; }, 400);
  line.hear((value) => {
    if (value.kind === "command" && value.name === "panic") booth.silence();
    if (value.kind !== "stand") return;
    const wanted = value.wanted;
    const live = ["opening", "ready", "playing", "held"].includes(value.state) && wanted?.page === pageKey();
    const [hears, sounds] = [wanted?.input === "browser", wanted?.output === "browser"];
    if (live && (hears || sounds) && !booth.open) booth.enter(hears, sounds).catch((error: Error) => say(error.message));
    if (mine && !live && (value.state === "over" || value.state === "failed")) booth.leave();
    mine = live;
  });
}
