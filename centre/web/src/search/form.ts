/** The form of the search: its fields, and its text in the address. Times are of the site, UTC+8. */

import { GRADES } from "../api.ts";
import { HANDLINGS, stateWord } from "../desk/deskrow.ts";
import { escape } from "../format.ts";
import { RULES, ruleName } from "../rules.ts";
import type { State } from "../state.ts";
import { name, t } from "../words.ts";
import type { Word } from "../words.ts";

/** The fields in the order of the form; the address has them under these names. */
const FIELDS = [
  "plate", "from", "to", "rule", "grade", "carrier", "esn", "kmfrom", "kmto", "lane", "zone", "terminal", "un", "state", "handling",
  "false",
] as const;
type Field = (typeof FIELDS)[number];

const LABELS: Readonly<Record<Field, Word>> = {
  plate: "qPlate", from: "qFrom", to: "qTo", rule: "qRule", grade: "qGrade", carrier: "qCarrier", esn: "qRsu", kmfrom: "qKmFrom",
  kmto: "qKmTo", lane: "qLane", zone: "qZone", terminal: "qTerminal", un: "qUn", state: "qLasts",
  handling: "qHandling", false: "qFalse",
};
const AS_ASKED: Partial<Readonly<Record<Field, string>>> = {
  plate: "plate", rule: "rule", grade: "grade", carrier: "carrier", esn: "esn", lane: "lane", zone: "zone", terminal: "terminal",
  state: "state", handling: "handling", false: "false",
};

const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d)?$/; // `Date.parse` alone takes any words in brackets too

/** The time that `2026-11-28T10:00` or `2026-11-28` names; null where it names none. */
export function stampOf(text: string): string | null {
  if (!TIME.test(text)) return null;
  const at = Date.parse(`${text.length === 10 ? `${text}T00:00` : text}:00+08:00`);
  return Number.isFinite(at) && at >= 0 ? `${at}000000` : null;
}

/** The query of `/api/search` for the words of an address. */
export function asked(words: URLSearchParams, pageRows: number): string {
  const query = new URLSearchParams({ limit: String(pageRows) });
  for (const [field, value] of words) {
    if (value === "") continue;
    const known = AS_ASKED[field as Field];
    if (known !== undefined) query.set(known, value);
    if (field === "un") query.set("un", value.replace(/^UN\s*/i, "")); // as it is written on papers, and as on plates
    const stamp = field === "from" || field === "to" ? stampOf(value) : null;
    if (stamp !== null) query.set(field === "from" ? "since_ns" : "until_ns", stamp);
    const km = field === "kmfrom" || field === "kmto" ? Number(value) : NaN;
    if (Number.isFinite(km)) query.set(field === "kmfrom" ? "from_m" : "to_m", String(km * 1_000));
    if (field === "before" || field === "after") query.set(field, value);
  }
  return query.toString();
}

/** The words of a form's fields, without those that are empty. */
export function wordsOf(form: HTMLFormElement): URLSearchParams {
  const words = new URLSearchParams();
  for (const [field, value] of new FormData(form)) if (typeof value === "string" && value.trim() !== "") words.set(field, value.trim());
  return words;
}

export function formHtml(state: State, words: URLSearchParams): string {
  const options = (pairs: readonly (readonly [string, string])[], chosen: string): string =>
    pairs.map(([value, shown]) =>
      `<option value="${escape(value)}"${value === chosen ? " selected" : ""}>${escape(shown)}</option>`
    ).join("");
  const any = ["", t("qAny")] as const;
  const choices: Partial<Record<Field, readonly (readonly [string, string])[]>> = {
    rule: [any, ...[...RULES.keys()].map((rule) => [rule, ruleName(rule)] as const)],
    grade: [any, ...[...GRADES].reverse().map((grade) => [grade, name(grade)] as const)],
    esn: [any, ...(state.site?.body.rsus ?? []).map((rsu) => [rsu.esn, rsu.esn] as const)],
    lane: [any, ...(state.site?.body.lanes ?? []).map((lane) => [lane.lane, lane.lane] as const)],
    state: [any, ["open", t("open")], ["closed", t("ended")]],
    handling: [any, ...HANDLINGS.map((each) => [each, stateWord({ state: each, is_false: false })] as const)],
    false: [any, ["true", t("qYes")], ["false", t("qNo")]],
  };
  const fields = FIELDS.map((field) => {
    const value = words.get(field) ?? "";
    const list = choices[field];
    const type = field === "from" || field === "to" ? "datetime-local" : field.startsWith("km") ? "number" : "text";
    const more = type === "number" ? ' step="any"' : ' maxlength="200"';
    const control = list === undefined
      ? `<input name="${field}" type="${type}"${more} value="${escape(value)}">`
      : `<select name="${field}">${options(list, value)}</select>`;
    return `<label class="f-${field}"><span>${t(LABELS[field])}</span>${control}</label>`;
  });
  return `<form data-testid="search-form">${fields.join("")}<button type="submit">${t("qFind")}</button>`
    + `<button type="button" data-look="clear">${t("qClear")}</button></form>`;
}
