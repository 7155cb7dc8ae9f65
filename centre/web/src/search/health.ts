/** How the alarms burden those who handle them, against EEMUA 191, and which radars they call false. Returns HTML. */

import type { DeskSummary } from "../desk/model.ts";
import { escape } from "../format.ts";
import { t } from "../words.ts";
import { bar, block, percent, table } from "./tables.ts";

export const HEALTH_DAYS = 7;
const STANDING_MAX = 10;
const FLOOD_MAX = 0.01;
const COMFORT = 6;
/** The shares of priorities 1, 2, and 3 with 4 that EEMUA 191 advises. */
const SPREAD = [0.05, 0.15, 0.8] as const;

interface Tally {
  key: string;
  n: number;
  false: number;
  share: number | null;
}

/** `/api/desk/false`. */
export interface HealthReport {
  closed: number;
  false: number;
  share: number | null;
  by_radar: Tally[];
  raised: number;
  by_priority: Record<string, number>;
  chattering: { rule: string; source: string }[];
  flood_share: number | null;
}

export function healthHtml(x: HealthReport, desk: DeskSummary | null): string {
  const row = (label: string, value: string, good: string, isOver: boolean): string[] => [label, `${isOver ? "▲ " : ""}${value}`, good];
  const spread = [1, 2, 3].map((n) => (x.by_priority[n] ?? 0) + (n === 3 ? (x.by_priority[4] ?? 0) : 0));
  const shares = x.raised === 0 ? "—" : spread.map((n) => ((n / x.raised) * 100).toFixed(0)).join(" : ");
  const perHour = desk?.per_operator_hour ?? null;
  const rows = [
    row(t("perHour"), perHour === null ? "—" : perHour.toFixed(1), `≤ ${COMFORT}`, (perHour ?? 0) > COMFORT),
    row(t("hStanding"), desk === null ? "—" : String(desk.standing), `< ${STANDING_MAX}`, (desk?.standing ?? 0) >= STANDING_MAX),
    row(t("hFlood"), percent(x.flood_share, 2), "< 1 %", (x.flood_share ?? 0) >= FLOOD_MAX),
    row(t("hChattering"), String(x.chattering.length), "0", x.chattering.length > 0),
    row(t("hSpread"), shares, SPREAD.map((n) => n * 100).join(" : "), x.raised > 0 && spread[0]! / x.raised > 2 * SPREAD[0]),
    row(t("ackMean"), desk?.ack_s_mean == null ? "—" : `${desk.ack_s_mean.toFixed(0)} s`, t("hDeadlines"), false),
  ];
  const most = Math.max(1, ...x.by_radar.map((each) => each.n));
  const radars = x.by_radar.map((each) => [
    escape(each.key), bar(each.n - each.false, each.false, most), String(each.false), percent(each.share), String(each.n),
  ]);
  const days = t("hDays", { n: HEALTH_DAYS });
  return block(t("hTitle"), table([t("hFigure"), t("hValue"), t("hGood")], rows, t("hTitle")), `${days} · n ${x.raised}`)
    + block(
      t("hByRadar"),
      radars.length === 0
        ? `<p class="dim">${t("qNoFigures")}</p>`
        : table([t("radar"), "", t("qFalse"), t("qShare"), "n"], radars, t("hByRadar")),
      `${days} · ${t("hNearest")} · n ${x.closed}`,
    );
}
