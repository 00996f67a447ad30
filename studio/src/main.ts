// The page: which view is shown, by the part of the address after #.

import "./style.css";
import "./review.css";
import "./rehearse.css";
import { dressAtOnce, turnTheme } from "./appearance";
import { attend } from "./booth";
import { showCompare } from "./compare";
import { fill, h, say } from "./dom";
import { showLibrary } from "./library";
import { showMarks } from "./marking";
import { showPiece } from "./piece";
import { showReview, showTakes } from "./review";
import { showSettings } from "./settings";
import { line } from "./socket";
import { showStand } from "./stand";

/** A view fills the element and answers how to leave it. */
export type View = (main: HTMLElement) => () => void;

const app = document.getElementById("app") as HTMLElement;
let leave = (): void => undefined;

function viewOf(hash: string): { view: View; here: string } {
  const [name = "", ...rest] = hash.replace(/^#\/?/, "").split("/");
  const more = decodeURIComponent((rest.join("/").split("?")[0]) ?? "");
  if (name === "piece") return { view: showPiece(more), here: "library" };
  if (name === "marks") return { view: showMarks(more), here: "marks" };
  if (name === "stand") return { view: showStand(), here: "stand" };
  if (name === "takes") return { view: showTakes(), here: "takes" };
  if (name === "settings") return { view: showSettings(), here: "settings" };
  if (name === "compare") return { view: showCompare(more), here: "takes" };
  if (name === "take") return { view: showReview(more), here: "takes" };
  return { view: showLibrary(), here: "library" };
}

function show(): void {
  leave();
  const { view, here } = viewOf(location.hash);
  const link = (href: string, name: string, words: string): HTMLElement =>
    h("a", { href, "aria-current": name === here ? "page" : null }, words);
  const main = h("main", { id: "main", tabindex: "-1" });
  fill(
    app,
    h(
      "header",
      { class: "top" },
      h("a", { class: "brand", href: "#/" }, "colla parte"),
      h(
        "nav",
        { "aria-label": "Views" },
        link("#/", "library", "Library"),
        link("#/stand", "stand", "Stand"),
        link("#/takes", "takes", "Takes"),
        link("#/settings", "settings", "Settings"),
      ),
      h("button", { class: "quiet", id: "theme", title: "Light or dark", "aria-label": "Light or dark", onclick: turnTheme }, "◐"),
    ),
    main,
  );
  document.body.dataset.view = here;
  leave = view(main);
  window.scrollTo(0, 0);
}

dressAtOnce();
window.addEventListener("hashchange", show);
line.hear((value) => {
  if (value.kind === "notice") say(value.text);
});
attend();
line.open();
show();
