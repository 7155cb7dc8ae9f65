/** UN numbers: what a vehicle carries, as the centre's table has it. */

import { get } from "../api.ts";
import { escape } from "../format.ts";
import { getLang, t } from "../words.ts";

export interface Goods {
  un: string;
  zh: string;
  en: string;
  hazmat_class: string;
  guide: string;
}

let table: ReadonlyMap<string, Goods> | null = null;

export async function loadGoods(): Promise<void> {
  try {
    const { items } = await get<{ items: Goods[] }>("/api/un");
    table = new Map(items.map((x) => [x.un, x]));
  } catch (error) {
    console.warn(error); // the numbers stay without their names
  }
}

/** The entry of a number as messages write it: `1203`, `UN1203`, `UN 1203`. */
export function goodsOf(un: string | null | undefined): Goods | undefined {
  const digits = /^(?:UN)?\s*(\d{1,4})$/i.exec(un ?? "")?.[1];
  return digits === undefined ? undefined : table?.get(digits.padStart(4, "0"));
}

/** `应急指南 128 · 汽油`: the number first, since a narrow card cuts the end; says so where the table lacks it; empty before it is loaded. */
export function goodsText(un: string | null | undefined): string {
  if (!un || table === null) return "";
  const found = goodsOf(un);
  return found === undefined ? t("qNotInTable") : `${t("qGuide", { n: found.guide })} · ${getLang() === "zh" ? found.zh : found.en}`;
}

/** The address of a vehicle's page, for an attribute. */
export function vehicleHref(name: string): string {
  return `#vehicle=${escape(encodeURIComponent(name))}`;
}

/** The link to a vehicle's page, by its plate, else its terminal. */
export function vehicleLink(name: string, shown: string = name): string {
  return `<a href="${vehicleHref(name)}" data-testid="plate">${escape(shown)}</a>`;
}
