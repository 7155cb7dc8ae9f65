/** Language and theme: from the address, else the last ones of this browser. */

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
  keepInAddress("lang", lang);
}

/** Where the address names a look, let it name the present one: else the next load would undo the choice. */
function keepInAddress(name: string, value: string): void {
  const address = new URL(location.href);
  if (!address.searchParams.has(name) || address.searchParams.get(name) === value) return;
  address.searchParams.set(name, value);
  window.history.replaceState(null, "", address);
}

/** `restyle` repaints the drawings that have the theme's colours in them. */
export function applyTheme(state: State, theme: Theme, restyle: () => void): void {
  state.theme = theme;
  root.dataset["theme"] = theme;
  localStorage.setItem("theme", theme);
  keepInAddress("theme", theme);
  readPalette();
  restyle();
}
