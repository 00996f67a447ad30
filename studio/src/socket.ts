// The one web socket: the engine's values in, commands and keys out. When it breaks it comes back by itself, and the
// server then tells the whole present state, so that nothing has to be remembered here.

import type { Plan, Position, Stand } from "./api";

export type Value =
  | Stand
  | ({ kind: "position" } & Position)
  | ({ kind: "plan" } & Plan)
  | { kind: "notice"; text: string }
  | { kind: "command"; name: string; value: number | null }
  | { kind: "click"; due_s: number; accent: boolean }
  | { kind: "clock"; now_s: number; late_ms: number }
  | { kind: "solo"; on: boolean; pitch: number };

type Hearer = (value: Value) => void;

class Line {
  private socket: WebSocket | null = null;
  private hearers = new Set<Hearer>();
  private wait = 250;
  private offset: number | null = null; // take seconds minus page seconds (times speed)
  private speed = 1;
  last: Stand = { kind: "stand", state: "empty" };
  connected = false;

  open(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/stand`);
    this.socket = socket;
    socket.onopen = () => {
      this.wait = 250;
      this.connected = true;
      document.body.classList.remove("offline");
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      for (const line of message.data.split("\n")) this.take(JSON.parse(line) as Value);
    };
    socket.onclose = () => {
      this.connected = false;
      document.body.classList.add("offline");
      window.setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(this.wait * 2, 4000);
    };
  }

  /** What was answered to a question, unless the socket was quicker: the stand must not show the former piece. */
  answered(stand: Stand): void {
    if (["empty", "over", "failed"].includes(this.last.state)) this.take(stand);
  }

  private take(value: Value): void {
    if (value.kind === "stand") {
      if (value.speed !== this.speed || value.state === "opening" || value.state === "ready") this.offset = null;
      this.speed = value.speed ?? 1;
      this.last = value;
    }
    if ((value.kind === "stand" || value.kind === "clock") && value.now_s) {
      const estimate = value.now_s - (this.speed * performance.now()) / 1000;
      // A message is never early: the largest estimate is the one that travelled fastest.
      const apart = this.offset === null ? Infinity : estimate - this.offset;
      if (apart > 0 || apart < -0.3 * this.speed) this.offset = estimate;
    }
    for (const hear of this.hearers) hear(value);
  }

  /** Seconds on the take's clock, now. */
  now(): number {
    return (this.offset ?? 0) + (this.speed * performance.now()) / 1000;
  }

  hear(hearer: Hearer): () => void {
    this.hearers.add(hearer);
    return () => this.hearers.delete(hearer);
  }

  command(name: string, value: number | null = null, about: string | null = null): void {
    this.send({ do: "command", name, value, about });
  }

  key(bytes: Uint8Array, stamp: number): void {
    this.send({ do: "midi", bytes: [...bytes], ago_s: Math.max((performance.now() - stamp) / 1000, 0) });
  }

  private send(what: unknown): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(what));
  }
}

export const line = new Line();
