/** The page of whoever has to sign in first; the centre serves it in the place of the road. */

import "../style.css";
import "./accounts.css";
import { getLang, setLang, t } from "../words.ts";
import { SignInForm } from "./form.ts";

const root = document.documentElement;
const query = new URLSearchParams(location.search);
const $ = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;

function applyLang(lang: string): void {
  setLang(lang === "en" ? "en" : "zh");
  root.lang = getLang() === "zh" ? "zh-CN" : "en";
  localStorage.setItem("lang", getLang());
}

function applyTheme(theme: string): void {
  root.dataset["theme"] = theme === "light" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset["theme"]);
}

applyLang(query.get("lang") ?? localStorage.getItem("lang") ?? "zh");
applyTheme(query.get("theme") ?? localStorage.getItem("theme") ?? "dark");
const form = new SignInForm($<HTMLFormElement>("form"), () => location.reload()); // the same address: its place on the road is kept

function draw(): void {
  document.title = t("signInTitle");
  $("h1").textContent = t("signInTitle");
  const [lang, theme] = document.querySelectorAll<HTMLElement>(".looks button");
  lang!.textContent = getLang() === "zh" ? "English" : "中文";
  lang!.lang = getLang() === "zh" ? "en" : "zh";
  theme!.textContent = t(root.dataset["theme"] === "dark" ? "light" : "dark");
  form.draw();
}

$(".looks").addEventListener("click", (event) => {
  const name = (event.target as HTMLElement).closest<HTMLElement>("[data-do]")?.dataset["do"];
  if (name === "lang") applyLang(getLang() === "zh" ? "en" : "zh");
  if (name === "theme") applyTheme(root.dataset["theme"] === "dark" ? "light" : "dark");
  draw();
});
draw();
form.focus();
root.dataset["ready"] = "true";
