import assert from "node:assert/strict";
import { test } from "node:test";
import type { EpisodeDetail, Rsu, SiteBody, Version } from "../src/api.ts";
import { budget, history, logOdds } from "../src/evidence.ts";
import { briefMoment, clock, moment, probability, signed, span, station } from "../src/format.ts";
import { Axis, Plane } from "../src/projection.ts";
import { hatches, judgeableM, makeSite } from "../src/site.ts";
import { backOffMs } from "../src/streams.ts";
import { episode } from "./samples.ts";

const near = (a: number, b: number, by: number): void => assert.ok(Math.abs(a - b) < by, `${a} is not ${b}`);

const PLANE = new Plane(122, 41);
const lane = (name: string, direction: number, row: number, low: number, hazmat: boolean): SiteBody["lanes"][number] => ({
  lane: name, road: "main", index: 0, level: 0, allowed: hazmat ? ["hazmat"] : ["car", "truck"], speed_limit_mps: 20, direction, from_m: 0,
  to_m: 10_000, offset_m: [low, low + 4], row,
});
const LANES = [lane("nb-h", -1, 0, 4, true), lane("nb-m", -1, 1, 0, false), lane("sb-m", 1, 2, -4, false), lane("sb-h", 1, 3, -8, true)];
const SITE = makeSite({
  name: "made up", title: { zh: "虚构", en: "made up" }, synthetic: true, origin: [122, 41], map_version: "1", rules_version: "1",
  length_m: 10_000, range_m: [0, 10_000],
  axis: { lon: [122, PLANE.lonLat(10_000, 0)[0]], lat: [41, 41], s_m: [0, 10_000] }, lanes: LANES,
  rows: LANES.map(
    (x) => (
      {
        row: x.row!, direction: x.direction, index: 0, offset_m: x.offset_m, hazmat: x.allowed.includes("hazmat"), allowed: x.allowed,
        speed_limit_mps: 20,
      }
    )
  ),
  places: [], rsus: [], gateway: null, rules: {},
});

const rsu = (esn: string, stretch: [number, number], state: Rsu["state"], unjudged: Rsu["unjudged"] = []): Rsu => ({
  esn, known: true, stretch_m: stretch, state, stale: false, since_ns: null, beat_ns: null, beat_age_s: null, epoch: 1, outbox_depth: 0,
  stored: 0, missing: 0, twin_n: 0, strange_terminals: {}, strange_radars: {},
  config: null, map: null, version: null, clock_offset_ms: 0, sensors: {}, counts: {}, unjudged, degraded: [], clocks: {}, clocks_n: 0,
  radar_clocks: {}, host_clock: null, latency: { p50_ms: null, p99_ms: null, n: 0, deferred: 0 },
});

test("a time of another day has its date, by the days of UTC+8", () => {
  const now = Date.UTC(2026, 0, 1, 17, 0, 5); // 01:00:05 on 2 January there
  assert.equal(moment(now - 5_000, now), "01:00:00");
  assert.equal(moment(now - 3_605_000, now), "00:00:00");
  assert.equal(moment(now - 3_606_000, now, 1), "01-01 23:59:59.0"); // the same day in UTC
  assert.equal(moment(now - 86_400_000, now), "01-01 01:00:05"); // the same time of day
  assert.equal(moment(now - 2 * 86_400_000, now), "2025-12-31 01:00:05");
  assert.equal(moment(now + 86_400_000, now), "01-03 01:00:05"); // until when a shelf holds
  assert.equal(briefMoment(now - 86_400_000, now), "01-01");
  assert.equal(briefMoment(now, now), "01:00:05");
  assert.equal(moment(NaN, now), "—");
  assert.equal(moment(now, NaN), "01:00:05"); // before the centre has said what time it is
});

test("the plane and its inverse agree, and metres are metres", () => {
  for (const [x, y] of [[0, 0], [1_234.5, -6_789], [-20_000, 19_000]] as const) {
    const [lon, lat] = PLANE.lonLat(x, y);
    near(PLANE.x(lon), x, 1e-6);
    near(PLANE.y(lat), y, 1e-6);
  }
  near(PLANE.x(123), 84_137, 170); // a degree on the ellipsoid; the map's sphere makes it 0.15 % less
});

test("left of a bent axis is left in every segment", () => {
  const axis = new Axis([0, 100, 200], [0, 100, 100], [0, 0, 100]);
  for (const s of [10, 90, 110, 190]) {
    const p = axis.at(s, 5);
    near(axis.offset(s, p.x, p.y), 5, 1e-9);
  }
  near(axis.at(150, 5).x, 95, 1e-9);
});

test("unjudged stretches: silent RSUs whole, online ones as reported, neighbours joined", () => {
  const gap = { road: "main", from_m: 7_000, to_m: 7_100, reason: "no_radar", since_ns: "1" };
  const list = hatches(
    SITE,
    [
      rsu("A", [0, 2_000], "never"), rsu("B", [2_000, 4_000], "never"), rsu("C", [4_000, 5_000], "offline"),
      rsu("D", [5_000, 10_000], "online", [gap]),
    ],
  );
  assert.deepEqual(
    list.map((x) => [x.from, x.to, x.reason, x.esn]),
    [[0, 4_000, "never", ""], [4_000, 5_000, "offline", "C"], [7_000, 7_100, "no_radar", "D"]],
  );
  assert.equal(judgeableM(SITE, list), 4_900);
});

function version(more: Partial<Version>): Version {
  return { ...episode("a", 1), evidence: {}, ...more } as Version;
}

test("evidence of all versions becomes one history across a change of lane", () => {
  const at = (s: number, u: number): [number, number] => PLANE.lonLat(s, u);
  const places = [at(100, -6), at(110, -4.5), at(120, -3.5)]; // from sb-h over the line at -4 into sb-m
  const evidence = {
    stamp_ns: ["1000000000", "1100000000", "1200000000"], lon_deg: places.map((p) => p[0]), lat_deg: places.map((p) => p[1]),
    s_m: [100, 110, 120],
    d_m: [0.01, 1.51, -1.49], sigma_d_m: [0.1, 0.1, 0.2], speed_mps: [20, 20, 20], p_violation: [0.01, 0.5, 0.999],
    excess_m: [-0.69, 0.81, 1.81],
  };
  const detail: EpisodeDetail = {
    episode: episode("a", 1),
    versions: [version({ lane: "sb-m", d_m: -1.49, stamps: { measured_ns: "1200000000", arrived_ns: "1210000000" }, evidence })],
  };
  const h = history(SITE, detail);
  assert.deepEqual(h.samples.map((x) => x.tMs), [1_000, 1_100, 1_200]);
  [0.01, 1.51, 2.51].forEach((y, i) => near(h.samples[i]!.y, y, 1e-6)); // d_m to the millimetre, the lane by position
  near(h.halfWidthM, 1.3, 1e-6); // as judged: excess + half the lane - offset
});

test("an episode without columns still has its versions as points", () => {
  const detail = {
    episode: episode("a", 1),
    versions: [version({ lane: "sb-h", d_m: 1, p_violation: 0.9, stamps: { measured_ns: "5000000000", arrived_ns: "0" } })],
  };
  assert.deepEqual(history(SITE, detail).samples.map((x) => [x.tMs, x.y, x.p]), [[5_000, 1, 0.9]]);
});

test("the latency budget adds up to measured → committed, and a tick has none", () => {
  const ns = { measured_ns: "1000000000", arrived_ns: "1014000000" };
  const made = budget(version({ stamps: ns, detected_ns: "1018000000", committed_ns: "1049000000" }));
  assert.deepEqual(made?.parts.map((x) => Math.round(x.ms)), [14, 4, 31]);
  assert.equal(Math.round(made!.totalMs), 49);
  assert.equal(budget(version({ stamps: { ...ns, by: "tick" }, detected_ns: "1", committed_ns: "1" })), null);
  assert.equal(budget(version({ stamps: ns })), null);
});

test("numbers as people read them", () => {
  assert.deepEqual([station(26_032), station(999.6), station(null)], ["K26+032", "K01+000", "—"]);
  assert.deepEqual([station(-406), station(-1_032.4), station(-0.3)], ["K-00+406", "K-01+032", "K00+000"]); // before the zero
  assert.deepEqual([span(23.14), span(59.96), span(232), span(3_727)], ["23.1 s", "0:59", "3:52", "1:02:07"]);
  assert.equal(clock(Date.UTC(2026, 10, 23, 6, 32, 7, 250), 1), "14:32:07.2"); // UTC+8
  assert.deepEqual([probability(0.99995), probability(0.9994), probability(0.91), probability(null)], [">0.9999", "0.9994", "0.91", "—"]);
  near(logOdds(0.99), -logOdds(0.01), 1e-9);
});

test("reconnecting waits 0.5 s at first and never more than about 5 s", () => {
  assert.equal(backOffMs(0, 0.5), 500);
  for (let attempt = 0; attempt < 60; attempt++) {
    for (const spread of [0, 1]) assert.ok(backOffMs(attempt, spread) >= 375 && backOffMs(attempt, spread) <= 6_250);
  }
});

test("an offset that is shown as none has no minus", () => {
  assert.deepEqual([-0.04, -0.06, 0.04, -3].map((x) => signed(x)), ["+0.0", "−0.1", "+0.0", "−3.0"]);
});
