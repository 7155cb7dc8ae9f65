/** Language and theme: of the address, else as this browser had them last. */

import { readPalette } from "./draw.ts";
import type { State, Theme } from "./state.ts";
import { setLang } from "./words.ts";
import type { Lang } from "./words.ts";

const root = document.documentElement;

export function restoreLooks(state: State): void {
  const query = new URLSearchParams(location.search);
  const lang = query.get("lang") ?? localStorage.getItem("lang");
  const theme = query.get("theme") ?? localStorage.getItem("theme");
  applyLang(lang === "en" ? "en" : "zh");
  applyTheme(state, theme === "light" ? "light" : "dark", () => undefined);
}

export function applyLang(lang: Lang): void {
  setLang(lang);
  root.lang = lang === "zh" ? "zh-CN" : "en";
  localStorage.setItem("lang", lang);
}

/** `restyle` repaints what the theme's colours were painted into. */
export function applyTheme(state: State, theme: Theme, restyle: () => void): void {
  state.theme = theme;
  root.dataset["theme"] = theme;
  localStorage.setItem("theme", theme);
  readPalette();
  restyle();
}
