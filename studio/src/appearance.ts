// Light or dark, normal or large: at once from what this browser remembers, then as the studio's settings say.

import { get, post } from "./api";

interface Look { theme: string; size: string }

export function dress(look: Look): void {
  localStorage.setItem("look", JSON.stringify({ theme: look.theme, size: look.size }));
  const dark = look.theme === "dark" || (look.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.dataset.size = look.size;
}

function remembered(): Look {
  try {
    return { theme: "auto", size: "normal", ...(JSON.parse(localStorage.getItem("look") ?? "{}") as Partial<Look>) };
  } catch {
    return { theme: "auto", size: "normal" };
  }
}

export function dressAtOnce(): void {
  dress(remembered());
  get<{ preferences: Look }>("/api/settings").then(({ preferences }) => dress(preferences)).catch(() => undefined);
}

export function turnTheme(): void {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  dress({ ...remembered(), theme });
  post("/api/settings", { theme }).catch(() => undefined);
}
