import assert from "node:assert/strict";
import { test } from "node:test";
import { depthOf } from "../src/row.ts";
import { caseName, excessText, FAULTS, faultName, limitOf, ruleName, RULES, ruleView } from "../src/rules.ts";
import { violationRow } from "../src/search/tables.ts";
import { State } from "../src/state.ts";
import { showsExcess } from "../src/where.ts";
import { getLang, setLang, WORDS } from "../src/words.ts";
import type { Word } from "../src/words.ts";
import { episode } from "./samples.ts";

test("each rule is named in the page's language", () => {
  const before = getLang();
  for (const [i, lang] of (["zh", "en"] as const).entries()) {
    setLang(lang);
    for (const rule of RULES.keys()) assert.equal(ruleName(rule), WORDS[rule as Word][i]);
  }
  setLang(before);
});

test("a rule that has an excess writes it in its own unit", () => {
  const values = { metres: 1.234, speedMps: 25, limitMps: 20 };
  const texts = [...RULES.keys()].map((rule) => [rule, excessText(rule, values)]).filter(([, text]) => text !== "—");
  assert.deepEqual(Object.fromEntries(texts), {
    lane_departure: "1.23 m", off_dedicated_road: "1.23 m", overspeed: "+18 km/h", too_slow: "+18 km/h",
    wrong_way: "90 km/h",
  });
  assert.equal(excessText("too_slow", { ...values, speedMps: 15 }), "−18 km/h");
  const unitless = [...RULES].filter(([, view]) => (view.unit === "") !== (view.excess(values) === null));
  assert.deepEqual(unitless, []);
});

test("an unknown value is a dash, and a distance is never negative", () => {
  assert.equal(excessText("lane_departure", { metres: null, speedMps: 1, limitMps: 1 }), "—");
  assert.equal(excessText("overspeed", { metres: 1, speedMps: 1, limitMps: null }), "—");
  assert.equal(excessText("lane_departure", { metres: -0.2, speedMps: 1, limitMps: 1 }), "0.00 m");
});

test("a rule without a row is shown under its name on the wire, without excess and without a mark of its own", () => {
  const state = new State();
  state.site = {} as NonNullable<State["site"]>;
  const unknown = episode("a", 1, { rule: "new_rule", excess_m: 1, excess_m_max: 1, limit_mps: 10 });
  for (const rule of ["new_rule", "constructor", "live"]) assert.equal(ruleName(rule), rule); // no member of Object, no other word
  assert.equal(depthOf(state, unknown), "—");
  assert.equal(showsExcess(unknown), false);
  assert.deepEqual(
    [ruleView("new_rule").opened, ruleView("new_rule").started, ruleView("new_rule").chart], ["opened", "started", "speed"],
  );
});

test("only a lane departure is measured in the picture and begins with crossing a line", () => {
  const live = [...RULES].filter(([, view]) => view.mark === "overLine").map(([rule]) => rule);
  assert.deepEqual(live, ["lane_departure"]);
  assert.deepEqual([...RULES].filter(([, view]) => view.opened === "crossed" || view.started === "crossed").map(([rule]) => rule), live);
  const drawn = (chart: string): string[] => [...RULES].filter(([, view]) => view.chart === chart).map(([rule]) => rule).sort();
  assert.deepEqual(drawn("lateral"), ["lane_departure", "off_dedicated_road"]);
  assert.deepEqual(drawn("duration"), ["convoy", "dark_vehicle", "illegal_stop", "parking_timeout"]);
  assert.deepEqual(drawn("against"), ["wrong_way"]);
  assert.deepEqual(drawn("gap"), ["following_distance"]);
  // what a duration is of has a word; where no gap is known, the duration is drawn
  assert.deepEqual([...RULES].filter(([, view]) => ["duration", "gap"].includes(view.chart) !== (view.lasting !== undefined)), []);
});

test("the layer of a limit is named in the page's language, with its own name", () => {
  const before = getLang();
  setLang("zh");
  assert.equal(limitOf("zone:BRIDGE: 2"), " (区域限速 BRIDGE: 2)");
  setLang("en");
  assert.equal(limitOf("weather"), " (weather)");
  assert.equal(limitOf("of a newer RSU"), " (of a newer RSU)");
  assert.equal(limitOf(undefined), "");
  setLang(before);
});

test("the kind of a fault stands beside its rule while it is open, and after its vehicle was lost", () => {
  const before = getLang();
  const open = { rule: "gnss_integrity", reason: "frozen" };
  setLang("en");
  assert.equal(caseName(open), "GNSS integrity · frozen");
  assert.equal(caseName({ ...open, reason: "lost" }, "jammed"), "GNSS integrity · jammed");
  assert.equal(caseName({ ...open, reason: "lost" }), "GNSS integrity");
  assert.equal(caseName({ rule: "overspeed", reason: null }), "Overspeed");
  for (const lang of ["zh", "en"] as const) {
    setLang(lang);
    for (const fault of FAULTS) assert.equal(/[\u4e00-\u9fff]/.test(faultName(fault)), lang === "zh", fault);
  }
  setLang(before);
});

test("list, card and search name the kind of a fault", () => {
  const before = getLang();
  setLang("en");
  const found = { ...episode("a", 1), rule: "gnss_integrity", reason: "dragged" };
  assert.match(violationRow(new State(), found).join(), /GNSS integrity · dragged away/);
  setLang(before);
});
