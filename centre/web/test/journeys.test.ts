import assert from "node:assert/strict";
import { test } from "node:test";
import { beganText, cargoOf, contactText, dwellText, endText, isOverdue, ordered, permitText, violationsText } from "../src/journeys.ts";
import type { Journey } from "../src/journeys.ts";
import { getLang, setLang } from "../src/words.ts";

const NOW_MS = 1_790_000_000_000;
const ns = (fromNowS: number): string => `${(NOW_MS + fromNowS * 1_000) * 1e6}`;

function journey(id: string, changes: Partial<Journey> = {}): Journey {
  return {
    id, terminal: "13900000001", vehicle: null, esn: "RSU001", road: "main", began: "gate", start_ns: ns(-600), entry: "in", exit: "out",
    expected_ns: ns(300), due_ns: ns(900), eta_ns: ns(300), overdue: false, seen_ns: ns(-1), s_m: 1_200, share: 0.5, speed_mps: 15,
    speed_mps_max: 20, mean_mps: 14, standing_s: 0, standing_since_ns: "0", dwells: [], contact: "both", cause: null, violations: {},
    end_ns: null, reason: null, permit: null, waybill: null, broken: {}, open: true, order: 1, ...changes,
  };
}

function inEnglish(check: () => void): void {
  const before = getLang();
  setLang("en");
  check();
  setLang(before);
}

test("overdue ones are first, the longest on top, then lost ones, then the next to arrive; who has no exit is last", () => {
  const rows = [
    journey("none", { eta_ns: null, due_ns: null }), journey("soon", { eta_ns: ns(60) }), journey("later"),
    journey("lost", { contact: "lost" }), journey("late", { due_ns: ns(-10) }), journey("latest", { due_ns: ns(-500), contact: "lost" }),
  ];
  assert.deepEqual(ordered(rows, NOW_MS).map((x) => x.id), ["latest", "late", "lost", "soon", "later", "none"]);
  assert.equal(rows[0]!.id, "none");
});

test("a journey is overdue from its due time on, whatever its last version says; one that ended is not", () => {
  assert.ok(!isOverdue(journey("x"), NOW_MS));
  assert.ok(isOverdue(journey("x"), NOW_MS + 901_000));
  assert.ok(isOverdue(journey("x", { overdue: true }), NOW_MS));
  assert.ok(!isOverdue(journey("x", { overdue: true, open: false }), NOW_MS));
});

test("cells say who, since when, who sees it, where it stood, and how it ended", () => {
  inEnglish(() => {
    const gate = (name: string): string => name.toUpperCase();
    assert.equal(cargoOf(journey("x")), "—");
    assert.equal(
      cargoOf(journey("x", { vehicle: { plate: "A", terminal: "1", un: "1267", hazmat_class: "3", carrier: null } })), "UN1267 · 3",
    );
    assert.match(beganText(journey("x"), gate, Number(journey("x").start_ns) / 1e6), /^\d\d:\d\d:\d\d IN$/);
    assert.match(beganText(journey("x", { entry: null }), gate, 0), /first seen$/);
    assert.equal(contactText(journey("x"), NOW_MS), "radar + terminal");
    const lost = journey("x", { contact: "lost", cause: "radar_gap", seen_ns: ns(-75) });
    assert.equal(contactText(lost, NOW_MS), "contact lost · radar gap · 1:15");
    assert.equal(contactText(journey("x", { contact: "radar", cause: "terminal_silent" }), NOW_MS), "Radar · terminal silent");
    assert.equal(dwellText(journey("x"), NOW_MS), "—");
    const dwells = [60, 95, 70].map((standing_s, i) => ({ s_m: 1_000 * i, lon_deg: 0, lat_deg: 0, start_ns: ns(-500), standing_s }));
    assert.equal(dwellText(journey("x", { standing_s: 225, dwells }), NOW_MS), "3:45 · K01+000 1:35");
    assert.equal(violationsText(journey("x", { violations: { overspeed: 2, lane_departure: 1 } })), "Overspeed ×2, Lane departure");
    assert.equal(permitText(journey("x")), "—");
    const late = journey("x", { permit: "P1", broken: { "permit/permit_time": { since_ns: ns(-5), p: 1 } } });
    assert.equal(permitText(late), "P1 · outside the permit's time");
    assert.equal(permitText(journey("x", { permit: "P1", waybill: "W7" })), "P1 · waybill W7");
    assert.match(endText(journey("x", { end_ns: ns(0), reason: "exit" }), gate, Number(ns(0)) / 1e6), /OUT$/);
    assert.match(endText(journey("x", { end_ns: ns(0), reason: "lost" }), gate, 0), /contact lost$/);
  });
});
