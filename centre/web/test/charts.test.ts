import assert from "node:assert/strict";
import { test } from "node:test";
import type { EpisodeDetail, SiteBody, Version } from "../src/api.ts";
import { chartsSvg } from "../src/charts.ts";
import { spread } from "../src/charts/parts.ts";
import { history } from "../src/evidence.ts";
import { makeSite } from "../src/site.ts";
import { setLang } from "../src/words.ts";
import { episode } from "./samples.ts";

const T0_MS = 1_790_000_000_000;
const ns = (atMs: number): string => `${Math.round(atMs)}000000`;
const RULES = {
  illegal_stop: { notice: [{ over: 15 }], warning: [{ over: 30 }], violation: [{ over: 120 }] },
  wrong_way: { violation: [{ over: 3 }] },
};
const BODY: SiteBody = {
  name: "", title: { zh: "", en: "" }, synthetic: true, origin: [122, 41], map_version: "1", rules_version: "1", length_m: 1_000,
  axis: { lon: [122, 122.02], lat: [41, 41], s_m: [0, 1_680] }, range_m: [0, 1_000],
  lanes: [{
    lane: "hazmat", road: "a", index: 0, level: 0, allowed: ["hazmat"], speed_limit_mps: 22, direction: 1, from_m: 0, to_m: 1_000,
    offset_m: [-2, 2], row: 0,
  }],
  rows: [{ row: 0, direction: 1, index: 0, offset_m: [-2, 2], hazmat: true, allowed: ["hazmat"], speed_limit_mps: 22 }],
  places: [], rsus: [], gateway: null, rules: RULES,
};
const SITE = makeSite(BODY);

/** An episode of so many seconds, with a version each 5 s whose columns hold the seconds before it. */
function detail(rule: string, seconds: number, column: (s: number) => Record<string, number>, more: object = {}): EpisodeDetail {
  const versions: Version[] = [];
  for (let end = 5; end <= seconds; end += 5) {
    const rows = Array.from({ length: 50 }, (_, i) => end - 5 + i / 10);
    const names = Object.keys(column(0));
    const evidence: Record<string, unknown> = { stamp_ns: rows.map((s) => ns(T0_MS + s * 1_000)) };
    for (const name of names) evidence[name] = rows.map((s) => column(s)[name]);
    versions.push({
      ...episode("a", 1, { rule, start_ns: ns(T0_MS), s_m: 100, ...more }), version: versions.length + 1, evidence,
      stamps: { measured_ns: ns(T0_MS + end * 1_000), arrived_ns: ns(T0_MS + end * 1_000) },
    } as Version);
  }
  const last = versions.at(-1)!;
  const ended = { stamps: last.stamps, end_ns: ns(T0_MS + seconds * 1_000), open: false };
  const whole = { ...episode("a", 1, { rule, start_ns: ns(T0_MS), ...more }), ...ended };
  return { episode: whole, versions };
}

const worst = (svg: string): string | undefined => /data-worst="">([^<]*)</.exec(svg)?.[1];
const xs = (svg: string): number[] => 
  [...svg.matchAll(/ points="([^"]*)"/g)].flatMap((m) => m[1]!.split(" ").map((p) => Number(p.split(",")[0])));

test("each rule's chart marks its worst point with its value", () => {
  setLang("en");
  const speed = (s: number): number => 22 + 6 * Math.sin((s / 30) * Math.PI);
  const fast = detail("overspeed", 30, (s) => ({ speed_mps: speed(s), over: 0.1, p_violation: 0.99 }), { limit_mps: 22 });
  assert.equal(worst(chartsSvg(SITE, fast, 600, 300, T0_MS)), "101 km/h"); // the peak, not the last
  const stop = chartsSvg(SITE, detail("illegal_stop", 95, () => ({ speed_mps: 0, over: NaN, p_violation: 0 })), 600, 300, T0_MS);
  assert.equal(worst(stop), "1:35");
  for (const word of ["standing for", "Notice", "Warning", "Violation"]) assert.ok(stop.includes(word), word);
  const back = detail("wrong_way", 20, (s) => ({ speed_mps: 5, over: s < 10 ? s : 20 - s, p_violation: 0.99 }));
  const against = chartsSvg(SITE, back, 600, 300, T0_MS);
  assert.equal(worst(against), "36 km/h");
  assert.ok(against.includes("against") && against.includes("limit 11"));
  const beyond = (s: number): Record<string, number> =>
    ({ d_m: 1 + s / 10, sigma_d_m: 0.1, excess_m: s / 20, speed_mps: 16, p_violation: 0.99 });
  const out = detail("lane_departure", 10, beyond, { lane: "hazmat", d_m: 1 });
  assert.equal(worst(chartsSvg(SITE, out, 600, 300, T0_MS)), "+0.49 m"); // from an observation, the end is none
});

test("an episode of many minutes stays between its axes, and its time is written in minutes", () => {
  for (const rule of ["overspeed", "illegal_stop", "dark_vehicle"]) {
    const found = detail(rule, 400, (s) => ({ speed_mps: s / 40, over: 1, p_violation: 0.9 }), { limit_mps: 5 });
    const svg = chartsSvg(SITE, found, 600, 300, T0_MS);
    const all = xs(svg);
    assert.ok(Math.min(...all) >= 51.9 && Math.max(...all) <= 600 - 106 + 0.1, `${rule}: ${Math.min(...all)} ${Math.max(...all)}`);
    assert.match(svg, />-\d+ min</);
  }
});

test("the zeros of a rule that is not judged by single observations are no probabilities", () => {
  const found = history(SITE, detail("dark_vehicle", 20, () => ({ speed_mps: 16, p_violation: 0 }), { p_violation: 1 }));
  assert.deepEqual([...new Set(found.samples.filter((x) => !Number.isNaN(x.p)).map((x) => x.p))], [1]);
  const judged = history(SITE, detail("overspeed", 20, () => ({ speed_mps: 16, p_violation: 0.4 }), { p_violation: 1 }));
  assert.ok(judged.samples.some((x) => x.p === 0.4));
});

test("a distance to the vehicle ahead is drawn against the one that is asked for, and without one its duration", () => {
  setLang("en");
  const near = detail("following_distance", 30, () => ({ speed_mps: 20, p_violation: 0 }));
  assert.equal(worst(chartsSvg(SITE, near, 600, 300, T0_MS)), "30.0 s"); // of an RSU that sends no gap
  near.versions.forEach((version, i) => { // one gap each 5 s, in the newest row
    const rows = (version.evidence["stamp_ns"] as string[]).length;
    const last = (value: number): (number | null)[] => [...Array<null>(rows - 1).fill(null), value];
    Object.assign(version.evidence, { gap_m: last([40, 31, 22.5, 30, 36, 48][i]!), gap_least_m: last(50) });
  });
  const svg = chartsSvg(SITE, near, 600, 300, T0_MS);
  assert.equal(worst(svg), "22.5 m &#60; 50 m");
  assert.ok(svg.includes("least 50") && svg.includes(">gap<"));
  const all = xs(svg);
  assert.ok(Math.min(...all) >= 51.9 && Math.max(...all) <= 600 - 106 + 0.1);
});

test("labels beside a low plot cover none another, nor leave it at the bottom", () => {
  const places = (ys: number[]): number[] => {
    const svg = spread(ys.map((y, i) => [y, String(i), ""]), 0, 100);
    return [...svg.matchAll(/ y="([\d.]+)"/g)].map((found) => Number(found[1]) - 4).sort((a, b) => a - b);
  };
  assert.deepEqual(places([85, 99, 100]), [72, 86, 100]); // three at the lower edge
  assert.deepEqual(places([20, 22, 60]), [20, 34, 60]);
  assert.deepEqual(places([120]), [100]);
});

test("a chart of another day has the date at its end and at the decision", () => {
  setLang("en");
  const found = detail("wrong_way", 20, () => ({ speed_mps: 5, over: 4, p_violation: 0.99 }), { confirmed_ns: ns(T0_MS + 5_000) });
  const texts = (nowMs: number): string => [...chartsSvg(SITE, found, 600, 300, nowMs).matchAll(/>([^<>]*)</g)].map((m) => m[1]).join("|");
  const [today, later] = [texts(T0_MS), texts(T0_MS + 86_400_000)];
  for (const end of ["|22:13:40|", "decided 22:13:25.0"]) assert.ok(today.includes(end), today);
  for (const end of ["|09-21 22:13:40|", "decided 09-21 22:13:25.0"]) assert.ok(later.includes(end), later);
});

test("in a low chart the words for the decision and for the worst point do not touch", () => {
  setLang("en");
  const stop = detail("illegal_stop", 5, () => ({ speed_mps: 0, over: NaN, p_violation: 0.999 }));
  for (const h of [124, 140, 240, 400]) {
    const svg = chartsSvg(SITE, stop, 560, h, T0_MS);
    const heights = [...svg.matchAll(/<text x="[^"]*" y="([^"]*)"[^>]*>(?:[^<]*decided|≥?\d+\.\d s|0:0\d)/g)].map((m) => Number(m[1]));
    assert.equal(heights.length, 2, svg);
    assert.ok(Math.abs(heights[0]! - heights[1]!) >= 12, `${h}: ${heights.join(" ")}`);
  }
});
