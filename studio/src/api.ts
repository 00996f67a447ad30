// What the server answers, as types, and how it is asked.

export interface Part { number: number; name: string; notes: number; percussion: boolean; solo: boolean }
export interface Description {
  title: string; parts: Part[]; bars: number; first_bar: string; last_bar: string; duration_s: number;
  metres: [string, string][]; tempi: [string, number][]; repeats: [string, string, number][];
  fermatas: [string, number, string][]; entries: string[]; troubles: string[];
}
export interface Piece {
  id: string; name: string; shipped: boolean; pair: boolean; solo: string[]; suggested: string[];
  description?: Description; engraves: boolean; takes: number; last_played: string | null;
  parts?: string[]; playing?: string[]; bars?: number | null; duration_s?: number | null; odd?: number;
}
export interface PageMap { pages: number; beats: [number, string[], string[]][]; bars: [number, string, string][]; left: string[] }
/** Where bars [name, number, quarters in a counted beat] and notes {name: [number, quarters into the bar]} stand. */
export interface Spots { bars: [string, string, number][]; notes: Record<string, [string, number]> }
export type Mark = Record<string, string | number | boolean>;
export type Marks = Record<string, Mark[]>;
export interface Wishes {
  mode: string; slowest: number | null; fastest: number | null; tuttis: string; lead_in_bars: number; metronome: string;
}
export interface Engraving { pages: number; opening: boolean; total: number | null; done: boolean; trouble: string | null; map?: PageMap }
export interface Calibration { input: string; output: string; round_trip_s: number; spread_s: number; when: string }
export interface Devices { midi_in: string[]; midi_out: string[]; audio_out: string[]; audio_in: string[]; soundfont: boolean }
export interface TakeRow {
  name: string; piece: string; digest: string; soloist: string; started: string | null; duration_s: number;
  solo_notes: number; orchestra_notes: number;
}
export type Curve = [number | null, number | null][];
export interface BarAsynchrony { beat: number; bar: string; passing: number; onsets: number; mean_ms: number; mean_abs_ms: number }
export interface Review extends TakeRow {
  score: string | null;
  bars: [number, string, number][];
  tempo: { solo: Curve; orchestra: Curve };
  remembered: { runs: number; curve: [number, number | null, number | null, number | null][] };
  asynchrony: { onsets: number; median_ms: number | null; within_30: number | null; within_50: number | null; by_bar: BarAsynchrony[] };
  hesitations: { beat: number; bar: string; waited_s: number }[];
  practise: { from_bar: string; to_bar: string; from_beat: number; to_beat: number; mean_abs_ms: number }[];
  happened: [number, string][];
  slips: Slip[];
  by_sound: boolean;
  learnt: Learnt;
  wanted: Wanted | null;
}
export interface Slip { kind: "missed" | "wrong" | "extra"; beat: number; bar: string; pitch: number; instead: number | null }
export interface Learnt {
  remembered: boolean; kept: number; attempted: number; reason: string | null; before: number;
  bars: { bar: string; beat: number; took: number; expected: number }[];
}
export interface Position { beat: number; certainty: number; state: string; onset_s: number; time_s: number }
export interface Plan { from_s: number; from_beat: number; beat_period_s: number; hold_beat: number | null }
export interface Outline { title: string; bars: [number, string, number, number][]; onsets: number[]; end_beat: number; tempi: [number, number][]; sections: Record<string, string[]>; tuttis: [number, number][] }
export interface Wanted {
  soloist: string; input: string; midi_in: string | null; mic?: string | null; page?: string | null; level: string; seed: number; output: string;
  midi_out: string | null; from_beat: number | null; tempo: number | null; count_in: number;
  loop: [number, number] | null; loop_speed: number; memory: boolean; speed: number;
  transpose: number; solo_sounds: number; tutti_bars: number | null; hand: string; tunes: boolean; headphones: boolean; pedals: [number, string][];
}
export interface Stand {
  kind: "stand"; state: "empty" | "opening" | "ready" | "playing" | "held" | "over" | "failed"; piece?: string;
  trouble?: string | null; take?: string | null; learnt?: string | null; locked?: boolean; now_s?: number; speed?: number;
  wanted?: Wanted; position?: Position | null; plan?: Plan | null; held_beat?: number | null; heard?: number[]; outline?: Outline | null;
  worst_late_ms?: number; wishes?: Wishes; balance?: Record<string, number>; tuning_hz?: number;
}

async function ask<T>(path: string, options: RequestInit = {}): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The studio does not answer. Is it still running?");
  }
  const type = answer.headers.get("content-type") ?? "";
  if (!answer.ok) {
    const words = type.includes("json") ? ((await answer.json()) as { error: string }).error : await answer.text();
    throw new Error(words || `The studio answered ${answer.status}.`);
  }
  return (type.includes("json") ? await answer.json() : await answer.text()) as T;
}

export const get = <T>(path: string): Promise<T> => ask<T>(path);
export const post = <T>(path: string, body: unknown): Promise<T> =>
  ask<T>(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
export const upload = <T>(path: string, file: File): Promise<T> =>
  ask<T>(`${path}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
export const remove = (path: string): Promise<unknown> => ask(path, { method: "DELETE" });
