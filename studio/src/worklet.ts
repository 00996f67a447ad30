// In the audio thread: a sampler for the orchestra, and the microphone beside it, sample by sample in one clock.
//
// Messages in:  {font, presets, seats}  what to play with (see sound/zones.py); {notes: [[on, note, seat, pitch,
// velocity, frame]]}, each at its frame; {silence}; {capture: channels}; {measure}, samples to be played and the
// microphone recorded from the very same frame on. Messages out: {frame, number, data}, chunks of
// int16: the microphone's frames, then (with two channels) what was played in the very same frames.

interface Zone {
  keys: [number, number]; velocities: [number, number]; start: number; end: number; loop: [number, number] | null;
  until_release: boolean; rate: number; root: number; tune: number; scale: number; key: number; velocity: number;
  delay_s: number; attack_s: number; hold_s: number; decay_s: number; sustain_db: number; release_s: number;
  key_to_hold: number; key_to_decay: number; attenuation_db: number; pan: number; cutoff_hz: number;
  resonance_db: number; vibrato: number; vibrato_s: number; vibrato_hz: number; class: number;
}
type Seat = [bank: number, program: number, pan: number];
type Note = [on: number, note: number, seat: number, pitch: number, velocity: number, frame: number];

declare const sampleRate: number;
declare const currentFrame: number;
declare class AudioWorkletProcessor { readonly port: MessagePort }
declare function registerProcessor(name: string, processor: unknown): void;

const CHUNK = 256;
const MOST_VOICES = 96;
const FLOOR_DB = 90; // a voice this far down has ended
const SHORT_S = 0.004; // the quickest fade: quicker clicks
const LOUD = 0.32; // of full scale: how loud one voice at most is, so that an orchestra does not clip
const OPEN_HZ = 18000;

class Voice {
  released = false;
  done = false;
  private place: number;
  private step: number;
  private left: number;
  private right: number;
  private age = 0; // frames
  private level = 0;
  private stage: "delay" | "attack" | "hold" | "decay" | "release" = "delay";
  private until: number;
  private fade = 0; // seconds to silence when it is cut
  private low: Float64Array | null; // filter: b0 b1 b2 a1 a2 z1 z2

  constructor(readonly zone: Zone, readonly note: number, readonly seat: number, private pitch: number, velocity: number,
    pan: number, private pcm: Int16Array) {
    const key = zone.key >= 0 ? zone.key : pitch;
    const loud = zone.velocity >= 0 ? zone.velocity : velocity;
    this.place = zone.start;
    this.step = (zone.rate / sampleRate) * 2 ** (((key - zone.root) * zone.scale + zone.tune) / 12);
    const gain = (LOUD * (loud / 127) ** 2 * 10 ** (-zone.attenuation_db / 20)) / 32768;
    const angle = ((Math.max(-1, Math.min(1, pan + zone.pan)) + 1) * Math.PI) / 4;
    this.left = gain * Math.cos(angle) * Math.SQRT2;
    this.right = gain * Math.sin(angle) * Math.SQRT2;
    this.until = zone.delay_s * sampleRate;
    this.low = zone.cutoff_hz < OPEN_HZ ? lowpass(zone.cutoff_hz, zone.resonance_db) : null;
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    if (this.stage === "delay") this.done = true;
    this.stage = "release";
  }

  /** Quickly, for panic and for a voice that must make room. */
  cut(): void {
    this.fade = Math.min(this.zone.release_s, SHORT_S * 5);
    this.release();
  }

  render(left: Float32Array, right: Float32Array, from: number, to: number): void {
    const { zone, pcm } = this;
    const [loopFrom, loopTo] = zone.loop && !(zone.until_release && this.released) ? zone.loop : [0, 0];
    const away = loopTo - loopFrom;
    const over = FLOOR_DB / 20;
    const releasing = 10 ** (-over / (Math.max(this.fade || zone.release_s, SHORT_S) * sampleRate));
    const scaled = (time: number, by: number): number => time * 2 ** (((60 - this.pitch) * by) / 1200);
    const decaying = 10 ** (-over / (Math.max(scaled(zone.decay_s, zone.key_to_decay), SHORT_S) * sampleRate));
    const sustained = 10 ** (-zone.sustain_db / 20);
    const attacking = 1 / (Math.max(zone.attack_s, 0.001) * sampleRate);
    const bend = zone.vibrato ? zone.vibrato : 0;
    let step = this.step;
    if (bend && this.age > zone.vibrato_s * sampleRate) {
      step *= 2 ** ((bend * Math.sin((2 * Math.PI * zone.vibrato_hz * this.age) / sampleRate)) / 12);
    }
    for (let at = from; at < to; at++) {
      switch (this.stage) {
        case "delay":
          if (this.age >= this.until) this.stage = "attack";
          break;
        case "attack":
          this.level += attacking;
          if (this.level >= 1) { this.level = 1; this.stage = "hold"; this.until = this.age + scaled(zone.hold_s, zone.key_to_hold) * sampleRate; }
          break;
        case "hold":
          if (this.age >= this.until) this.stage = "decay";
          break;
        case "decay":
          if (this.level > sustained) this.level = Math.max(this.level * decaying, sustained);
          if (this.level < 1e-5) { this.done = true; return; }
          break;
        case "release":
          this.level *= releasing;
          if (this.level < 1e-5) { this.done = true; return; }
      }
      this.age++;
      if (this.stage === "delay") continue;
      const whole = Math.floor(this.place);
      const part = this.place - whole;
      const next = away && whole + 1 >= loopTo ? whole + 1 - away : whole + 1;
      const one = pcm[whole] ?? 0;
      let value = (one + ((pcm[next] ?? 0) - one) * part) * this.level;
      const low = this.low;
      if (low) {
        const [b0, b1, b2, a1, a2] = low as unknown as [number, number, number, number, number];
        const out = b0 * value + (low[5] as number);
        low[5] = b1 * value - a1 * out + (low[6] as number);
        low[6] = b2 * value - a2 * out;
        value = out;
      }
      left[at] = (left[at] as number) + value * this.left;
      right[at] = (right[at] as number) + value * this.right;
      this.place += step;
      if (away && this.place >= loopTo) this.place -= away;
      else if (!away && this.place >= zone.end - 1) { this.done = true; return; }
    }
  }
}

function lowpass(cutoff_hz: number, resonance_db: number): Float64Array {
  const angle = (2 * Math.PI * Math.min(cutoff_hz, sampleRate * 0.45)) / sampleRate;
  const alpha = Math.sin(angle) / (2 * 10 ** ((resonance_db - 3.01) / 20));
  const cosine = Math.cos(angle);
  const norm = 1 / (1 + alpha);
  const b1 = (1 - cosine) * norm;
  return new Float64Array([b1 / 2, b1, b1 / 2, -2 * cosine * norm, (1 - alpha) * norm, 0, 0]);
}

class Booth extends AudioWorkletProcessor {
  private presets: Record<string, Zone[]> = {};
  private pcm = new Int16Array(0);
  private seats: Seat[] = [];
  private waiting: Note[] = []; // by frame
  private voices: Voice[] = [];
  private channels = 0;
  private chunk = new Int16Array(0);
  private filled = 0;
  private number = 0;
  private signal = new Float32Array(0); // what is played to measure the room
  private played = 0;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent) => this.told(event.data as Record<string, unknown>);
  }

  private told(said: Record<string, unknown>): void {
    if (said.font) {
      this.pcm = new Int16Array(said.font as ArrayBuffer);
      this.presets = said.presets as Record<string, Zone[]>;
      this.seats = said.seats as Seat[];
    } else if (said.notes) {
      for (const note of said.notes as Note[]) this.waiting.push(note);
      this.waiting.sort((one, other) => one[5] - other[5]);
    } else if (said.silence) {
      this.waiting = [];
      for (const voice of this.voices) voice.cut();
    } else if (said.measure) {
      this.signal = new Float32Array(said.measure as ArrayBuffer);
      [this.played, this.channels, this.chunk, this.filled, this.number] = [0, 1, new Int16Array(CHUNK), 0, 0];
    } else if (said.capture !== undefined) {
      this.channels = said.capture as number;
      this.chunk = new Int16Array(this.channels * CHUNK);
      this.filled = 0;
    }
  }

  private begin([on, note, seat, pitch, velocity]: Note): void {
    if (!on || velocity === 0) {
      for (const voice of this.voices) if (voice.note === note && voice.seat === seat) voice.release();
      return;
    }
    const [bank, program, pan] = this.seats[seat] ?? [0, 48, 0];
    const zones = this.presets[`${bank}.${program}`] ?? this.presets[`${bank}.0`] ?? Object.values(this.presets)[0] ?? [];
    for (const zone of zones) {
      const key = Math.round(pitch); // a tuned orchestra's pitches lie between the keys
      if (key < zone.keys[0] || key > zone.keys[1] || velocity < zone.velocities[0] || velocity > zone.velocities[1]) continue;
      if (zone.class) for (const voice of this.voices) if (voice.zone.class === zone.class && voice.seat === seat && voice.note !== note) voice.cut();
      if (this.voices.length >= MOST_VOICES) (this.voices.find((one) => one.released) ?? this.voices[0])?.cut();
      this.voices.push(new Voice(zone, note, seat, pitch, velocity, pan, this.pcm));
    }
  }

  process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const out = outputs[0] as Float32Array[];
    const left = out[0] as Float32Array;
    const right = out[1] ?? new Float32Array(left.length);
    let from = 0;
    while (from < left.length) {
      while (this.waiting.length && (this.waiting[0] as Note)[5] <= currentFrame + from) this.begin(this.waiting.shift() as Note);
      const next = this.waiting[0]?.[5] ?? Infinity;
      const to = Math.min(left.length, Math.max(Math.ceil(next) - currentFrame, from + 1));
      for (const voice of this.voices) if (!voice.done) voice.render(left, right, from, to);
      from = to;
    }
    for (let at = 0; at < left.length && this.played < this.signal.length; at++, this.played++) {
      const value = this.signal[this.played] as number;
      left[at] = (left[at] as number) + value;
      if (right !== left) right[at] = (right[at] as number) + value;
    }
    this.voices = this.voices.filter((voice) => !voice.done);
    if (this.channels > 1) {
      // One filter takes one sound out: what comes back must not depend on how a loudspeaker's place is heard.
      for (let at = 0; at < left.length; at++) left[at] = right[at] = ((left[at] as number) + (right[at] as number)) / 2;
    }
    if (this.channels) this.capture(inputs[0]?.[0], left);
    return true;
  }

  private capture(heard: Float32Array | undefined, played: Float32Array): void {
    for (let at = 0; at < played.length; at++) {
      this.chunk[this.filled] = whole(heard?.[at] ?? 0);
      if (this.channels > 1) this.chunk[CHUNK + this.filled] = whole(played[at] as number);
      if (++this.filled === CHUNK) {
        const data = this.chunk.buffer;
        this.port.postMessage({ frame: currentFrame + at + 1, number: this.number++, data }, [data]);
        this.chunk = new Int16Array(this.channels * CHUNK);
        this.filled = 0;
      }
    }
  }
}

const whole = (value: number): number => Math.round(Math.max(-1, Math.min(1, value)) * 32767);

registerProcessor("booth", Booth);
