// MIDI by the browser: asked for only where there is such a thing, and heard only while the stand is open.

import { line } from "./socket";

interface Port { name: string | null; onmidimessage: ((event: { data: Uint8Array; timeStamp: number }) => void) | null }
interface Access { inputs: Map<string, Port> }

async function access(): Promise<Access | null> {
  const ask = (navigator as unknown as { requestMIDIAccess?: () => Promise<Access> }).requestMIDIAccess;
  if (!ask) return null;
  try {
    // A browser that waits for an answer to its own question must not keep the page waiting.
    return await Promise.race([ask.call(navigator), new Promise<null>((done) => setTimeout(() => done(null), 1500))]);
  } catch {
    return null;
  }
}

export async function midiInputs(): Promise<string[]> {
  const found = await access();
  return found ? [...found.inputs.values()].map((port) => port.name ?? "unnamed") : [];
}

/** Send what is played on the port of this name; answers how to stop. */
export function listen(name: string): () => void {
  let port: Port | undefined;
  void access().then((found) => {
    port = found ? [...found.inputs.values()].find((one) => one.name === name) : undefined;
    if (port) port.onmidimessage = (event) => { if (event.data.length === 3) line.key(event.data, event.timeStamp); };
  });
  return () => { if (port) port.onmidimessage = null; };
}
