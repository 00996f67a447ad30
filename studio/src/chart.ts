// Plain charts in SVG. Lines differ in style as well as in colour; every chart says in words what it shows.

import { h } from "./dom";

export interface Series { name: string; kind: "line" | "dashed" | "band"; tone: string; points: (number | null)[][] }

const WIDTH = 1000;
const LEFT = 56;
const BOTTOM = 30;

function ticks(low: number, high: number, about: number): number[] {
  const rough = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * power).find((one) => one >= rough) ?? power * 10;
  const found: number[] = [];
  for (let at = Math.ceil(low / step) * step; at <= high + 1e-9; at += step) found.push(Math.round(at * 1e6) / 1e6);
  return found;
}

function frame(height: number, label: string, across: (value: number) => number, up: (value: number) => number,
  low: number, high: number, bars: [number, string][]): SVGElement {
  const chart = h("svg:svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "chart", role: "img", "aria-label": label }, h("svg:title", {}, label));
  for (const value of ticks(low, high, 4)) {
    const y = up(value).toFixed(1);
    chart.append(h("svg:line", { x1: LEFT, x2: WIDTH - 8, y1: y, y2: y, class: "grid" }),
      h("svg:text", { x: LEFT - 8, y: Number(y) + 5, "text-anchor": "end" }, String(value)));
  }
  const every = Math.ceil(bars.length / 18);
  bars.forEach(([beat, name], at) => {
    if (at % every === 0) chart.append(h("svg:text", { x: across(beat).toFixed(1), y: height - 8, "text-anchor": "middle" }, name));
  });
  return chart;
}

export function lines(series: Series[], bars: [number, string][], label: string, height = 300): SVGElement {
  const xs: number[] = [];
  const ys: number[] = [];
  for (const one of series) for (const [x, ...rest] of one.points) {
    for (const y of rest) if (x !== null && x !== undefined && y !== null && y !== undefined) { xs.push(x); ys.push(y); }
  }
  const sorted = [...ys].sort((one, other) => one - other);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const low = Math.max(at(0.01) * 0.85, 0);
  const high = Math.max(at(0.99) * 1.15, low + 1);
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const across = (x: number): number => LEFT + ((x - first) / Math.max(last - first, 1e-6)) * (WIDTH - LEFT - 12);
  const up = (y: number): number => 10 + (1 - (Math.min(Math.max(y, low), high) - low) / (high - low)) * (height - BOTTOM - 14);
  const chart = frame(height, label, across, up, low, high, bars.filter(([beat]) => beat >= first - 1e-6 && beat <= last));
  for (const one of series) {
    let path = "";
    if (one.kind === "band") {
      let run: number[][] = [];
      const close = (): void => {
        if (run.length > 1) {
          const there = run.map(([x, lower]) => `${across(x as number).toFixed(1)} ${up(lower as number).toFixed(1)}`);
          const back = [...run].reverse().map(([x, , upper]) => `${across(x as number).toFixed(1)} ${up(upper as number).toFixed(1)}`);
          path += `M${[...there, ...back].join("L")}Z`;
        }
        run = [];
      };
      for (const point of one.points) point.every((value) => value !== null) ? run.push(point as number[]) : close();
      close();
    } else {
      let pen = "M";
      for (const [x, y] of one.points) {
        if (x === null || y === null || x === undefined || y === undefined) pen = "M";
        else { path += `${pen}${across(x).toFixed(1)} ${up(y).toFixed(1)}`; pen = "L"; }
      }
    }
    if (path) chart.append(h("svg:path", { d: path, class: `${one.kind} ${one.tone}` }));
  }
  return chart;
}

/** Two columns to a bar, beside each other. */
export function pairs(values: { beat: number; name: string; one: number; other: number }[], label: string, height = 220): SVGElement {
  const sizes = values.flatMap(({ one, other }) => [one, other]).sort((one, other) => one - other);
  const edge = Math.max(60, Math.min((sizes[Math.floor(sizes.length * 0.9)] ?? 0) * 2, sizes[sizes.length - 1] ?? 0)) * 1.1;
  const step = (WIDTH - LEFT - 12) / Math.max(values.length, 1);
  const place = new Map(values.map(({ beat }, at) => [beat, LEFT + (at + 0.5) * step]));
  const up = (y: number): number => 10 + (1 - Math.min(y, edge) / edge) * (height - BOTTOM - 14);
  const chart = frame(height, label, (beat) => place.get(beat) ?? 0, up, 0, edge, values.map(({ beat, name }): [number, string] => [beat, name]));
  for (const { beat, name, one, other } of values) {
    [one, other].forEach((size, at) => chart.append(h("svg:rect", {
      x: ((place.get(beat) ?? 0) + step * (at * 0.4 - 0.4)).toFixed(1), y: up(size).toFixed(1), width: (step * 0.36).toFixed(1),
      height: (up(0) - up(size)).toFixed(1), rx: 2, class: at ? "column second" : "column first",
    }, h("svg:title", {}, `bar ${name}, ${at ? "second" : "first"} take: ${size.toFixed(0)} ms apart`))));
  }
  return chart;
}

export function columns(values: { beat: number; name: string; value: number; size: number }[], label: string, height = 220): SVGElement {
  // One bar that fell apart must not flatten all the others: what is beyond the edge is drawn up to it, and says so.
  const sorted = values.map(({ size }) => size).sort((one, other) => one - other);
  const edge = Math.max(60, Math.min((sorted[Math.floor(sorted.length * 0.9)] ?? 0) * 2, sorted[sorted.length - 1] ?? 0)) * 1.1;
  const step = (WIDTH - LEFT - 12) / Math.max(values.length, 1);
  const place = new Map(values.map(({ beat }, at) => [beat, LEFT + (at + 0.5) * step]));
  const up = (y: number): number => 10 + (1 - y / edge) * (height - BOTTOM - 14);
  const chart = frame(height, label, (beat) => place.get(beat) ?? 0, up, 0, edge, values.map(({ beat, name }): [number, string] => [beat, name]));
  const good = up(30).toFixed(1);
  for (const { beat, size: whole, value, name } of values) {
    const size = Math.min(whole, edge);
    const x = (place.get(beat) ?? 0) - step * 0.35;
    const tone = size <= 30 ? "good" : size <= 60 ? "fair" : "poor";
    chart.append(h("svg:rect", { x: x.toFixed(1), y: up(size).toFixed(1), width: (step * 0.7).toFixed(1), height: (up(0) - up(size)).toFixed(1), rx: 2, class: `column ${tone}` },
      h("svg:title", {}, `bar ${name}: ${whole.toFixed(0)} ms apart, orchestra ${value >= 0 ? "later" : "earlier"} by ${Math.abs(value).toFixed(0)} ms on average`)));
  }
  for (const { beat, size } of values) {
    if (size > edge) chart.append(h("svg:text", { x: (place.get(beat) ?? 0).toFixed(1), y: 26, "text-anchor": "middle", class: "beyond" }, size.toFixed(0)));
  }
  chart.append(h("svg:line", { x1: LEFT, x2: WIDTH - 8, y1: good, y2: good, class: "mark" }));
  return chart;
}
