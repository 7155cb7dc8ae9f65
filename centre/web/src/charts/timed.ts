/** Charts of rules that count time, and of driving against the lane's direction. Pure: they return SVG. */

import type { EpisodeDetail, Grade } from "../api.ts";
import type { History } from "../evidence.ts";
import { age, ms, span } from "../format.ts";
import { ruleView } from "../rules.ts";
import type { Site } from "../site.ts";
import { name, t } from "../words.ts";
import { area, clipped, line, poly, rect, spread, text, worstMark } from "./parts.ts";
import type { Frame, Point } from "./parts.ts";

const LINED: readonly Grade[] = ["notice", "warning", "violation"];

/** What each grade asks for by the site's rules: the first row's `over`, in the rule's unit; grades without one are left out. */
export function askedFor(site: Site, rule: string): [Grade, number][] {
  const section = site.body.rules[rule];
  if (typeof section !== "object" || section === null) return [];
  return LINED.flatMap((grade): [Grade, number][] => {
    const rows: unknown = (section as Record<string, unknown>)[grade];
    const over: unknown = Array.isArray(rows) ? (rows[0] as Record<string, unknown> | undefined)?.["over"] : undefined;
    return typeof over === "number" ? [[grade, over]] : [];
  });
}

/** How long the rule has been broken, by time, against what each grade asks for. */
export function durationChart(f: Frame, site: Site, data: History, detail: EpisodeDetail): string {
  const { episode } = detail;
  const startMs = ms(episode.start_ns);
  const untilMs = Math.max(startMs, ms(episode.end_ns ?? episode.last_violating_ns ?? episode.stamps.measured_ns));
  const lasted = (untilMs - startMs) / 1_000;
  const grades = askedFor(site, episode.rule);
  const near = grades.filter(([, s]) => s <= lasted * 4 + 5); // a far one would press the curve flat
  const high = Math.max(5, lasted, ...near.map(([, s]) => s)) * 1.15;
  const y = (s: number): number => f.top + (1 - s / high) * f.upperH;
  const beginMs = Math.max(startMs, data.fromMs);
  const endMs = Math.max(beginMs, Math.min(untilMs, data.toMs));
  const path: Point[] = [[f.x(beginMs), y((beginMs - startMs) / 1_000)], [f.x(endMs), y((endMs - startMs) / 1_000)]];
  let out = rect(f.left, f.top, f.right - f.left, f.upperH, 'fill="var(--road)"')
    + text(f.left - 5, f.top - 3, high >= 90 ? "min" : "s", "e q") + text(f.left - 5, y(0) + 4, "0", "e q");
  const labels: [number, string, string][] = [];
  let above = Infinity;
  for (const [grade, s] of near) {
    out += line(f.left, y(s), f.right, y(s), "sl", grade === "violation" ? 'stroke-width="2"' : 'stroke-dasharray="4 3"');
    if (above - y(s) >= 12) out += text(f.left - 5, y(s) + 4, high >= 90 ? (s / 60).toFixed(1) : String(s), "e q");
    above = y(s);
    labels.push([y(s), name(grade), ""]);
  }
  const filled = area([...path, [path[1]![0], y(0)], [path[0]![0], y(0)]], "", 'fill="var(--c)" opacity=".35"');
  out += clipped(f, f.top, f.upperH, filled + poly(path, "tail"));
  labels.push([path[1]![1], t(ruleView(episode.rule).lasting ?? "lasted"), "b"]);
  const value = lasted < 60 ? span(lasted) : age(lasted);
  return out + worstMark(f, path[1]![0], path[1]![1], `${episode.open ? "≥" : ""}${value}`) + spread(labels, f.right + 5, f.top + f.upperH);
}

/** The speed against the lane's direction, above the line; with the lane, below it. */
export function againstChart(f: Frame, site: Site, data: History, detail: EpisodeDetail): string {
  const known = data.samples.filter((s) => !Number.isNaN(s.over));
  const kmh = known.map((s) => s.over * 3.6);
  const high = Math.max(10, ...kmh) * 1.2;
  const low = Math.min(-high * 0.25, ...kmh.map((v) => v * 1.1));
  const y = (v: number): number => f.top + ((high - v) / (high - low)) * f.upperH;
  const path = known.map((s): Point => [f.x(s.tMs), y(s.over * 3.6)]);
  let out = rect(f.left, f.top, f.right - f.left, y(0) - f.top, 'fill="var(--road)"')
    + rect(f.left, y(0), f.right - f.left, f.top + f.upperH - y(0), 'fill="var(--haz)"');
  const over = path.map(([x, py]): Point => [x, Math.min(py, y(0))]);
  const filled = over.length < 2 ? "" : area([...over, [over.at(-1)![0], y(0)], [over[0]![0], y(0)]], "", 'fill="var(--c)" opacity=".45"');
  out += clipped(f, f.top, f.upperH, filled + poly(path, "tail")) + line(f.left, y(0), f.right, y(0), "sl", 'stroke-width="2"');
  const step = high > 60 ? 30 : high > 25 ? 10 : 5;
  for (let v = 0; v < high; v += step) if (y(v) - f.top > 10) out += text(f.left - 5, y(v) + 4, String(v), "e q");
  const asked = askedFor(site, detail.episode.rule).find(([grade]) => grade === "violation");
  const labels: [number, string, string][] = [[y(high * 0.75), `↑ ${t("qAgainstShort")}`, "b"], [y(low * 0.6), `↓ ${t("qAlong")}`, ""]];
  if (asked !== undefined && asked[1] * 3.6 < high) {
    out += line(f.left, y(asked[1] * 3.6), f.right, y(asked[1] * 3.6), "sl", 'stroke-dasharray="4 3"');
    labels.push([y(asked[1] * 3.6), `${t("limitLine")} ${(asked[1] * 3.6).toFixed(0)}`, ""]);
  }
  const worst = known.reduce((best, s) => (s.over > best.over ? s : best));
  return out + text(f.left - 5, f.top - 3, "km/h", "e q")
    + worstMark(f, f.x(worst.tMs), y(worst.over * 3.6), `${(worst.over * 3.6).toFixed(0)} km/h`)
    + spread(labels, f.right + 5, f.top + f.upperH);
}
