// Elements made in one line, without a framework. Text is always text: nothing from a score becomes markup.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | EventListener>;

const SVG_NAMES = new Set(["svg", "path", "line", "rect", "circle", "polyline", "text", "g", "title", "desc"]);

/** h("button", { class: "big", onclick: begin }, "Begin"); svg elements by "svg:path". */
export function h(name: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement & SVGElement {
  const svg = name.startsWith("svg:");
  const plain = svg ? name.slice(4) : name;
  const element =
    svg && SVG_NAMES.has(plain)
      ? document.createElementNS("http://www.w3.org/2000/svg", plain)
      : document.createElement(plain);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else element.setAttribute(key, String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element as HTMLElement & SVGElement;
}

export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(...(children.filter(Boolean) as (Node | string)[]));
}

let timer = 0;

/** One line of news, read out by screen readers, gone after a while. */
export function say(text: string): void {
  const news = document.getElementById("news");
  if (!news) return;
  news.textContent = text;
  news.classList.toggle("shown", text !== "");
  window.clearTimeout(timer);
  timer = window.setTimeout(() => news.classList.remove("shown"), 9000);
}

export function minutes(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function when(iso: string | null): string {
  if (!iso) return "";
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
