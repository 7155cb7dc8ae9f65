/** Wrong clocks that an RSU names: of terminals, of its radars, of itself. */

import type { Clock, Rsu } from "./api.ts";
import { age, signed } from "./format.ts";
import { reason, t } from "./words.ts";

type Clocks = Pick<Rsu, "clocks" | "clocks_n" | "radar_clocks" | "host_clock">;

const DAYS_S = 2 * 86_400;
const DELAY_S = 60; // a smaller lag of a clock looks the same as reports with a constant delay

/** `−8:00:00`, `+17.9 s`, `−7168 d`. */
export function offset(seconds: number): string {
  const sign = signed(seconds, 0).charAt(0);
  const size = Math.abs(seconds);
  if (size < 60) return `${signed(seconds)} s`;
  return size < DAYS_S ? `${sign}${age(Math.round(size))}` : `${sign}${(size / 86_400).toFixed(0)} d`;
}

/** How many clocks are wrong and not put right. */
export function wrongClocks(x: Clocks): number {
  const corrected = Object.values(x.clocks).filter((c) => c.corrected).length;
  return Math.max(0, x.clocks_n - corrected) + Object.keys(x.radar_clocks).length + (x.host_clock === null ? 0 : 1);
}

/** One pair for each wrong clock: its owner, and its fault. */
export function clockFacts(x: Clocks): [string, string][] {
  const kind = (c: Clock): string => (c.kind === "offset" && c.offset_s < 0 && c.offset_s > -DELAY_S ? "delay" : c.kind);
  const fact = (c: Clock): string => `${reason(`clock_${kind(c)}`)} ${offset(c.offset_s)}${c.corrected ? ` · ${t("clockPutRight")}` : ""}`;
  const named = Object.entries(x.clocks);
  const facts: [string, string][] = [];
  if (x.host_clock !== null) facts.push(["▲", fact(x.host_clock)]);
  for (const [id, c] of Object.entries(x.radar_clocks)) facts.push([`▲ ${id}`, fact(c)]);
  for (const [id, c] of named) facts.push([c.corrected ? id : `▲ ${id}`, fact(c)]);
  if (x.clocks_n > named.length) facts.push([t("clockMore"), `+${x.clocks_n - named.length}`]);
  return facts;
}
