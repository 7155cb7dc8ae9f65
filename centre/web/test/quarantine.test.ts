import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rsu } from "../src/api.ts";
import { missingFacts } from "../src/rsutable.ts";
import { rsuHtml } from "../src/search/pages.ts";
import { quarantineHtml } from "../src/search/quarantine.ts";
import { State } from "../src/state.ts";
import { setLang } from "../src/words.ts";

const rsu = (esn: string): Rsu => ({ esn, state: "online", sensors: {}, degraded: [] }) as unknown as Rsu;
const row = { n: 7, received_ns: "1795831200000000000", topic: "v2x/v1/rsu/R1/violation/up", esn: "R1", epoch: 3, seq: 9, bytes: 20 };

test("the quarantine names what was not stored and why, and leads to the older ones", () => {
  setLang("en");
  const html = quarantineHtml({ items: [{ ...row, reason: "void: lost <7>" }], next: 7 });
  assert.match(html, /void: lost &#60;7&#62;/);
  assert.match(html, /href="#quarantine\?before=7"/);
  assert.match(html, /v2x\/v1\/rsu\/R1/);
  assert.doesNotMatch(quarantineHtml({ items: [], next: null }), /<table/);
});

test("a row says which violations are asked for, and how many no file holds any more, since when", () => {
  setLang("en");
  const state = new State();
  const x: Rsu = { ...rsu("R1"), asked: 4, recovered: 0, lost: 2, lost_since_ns: row.received_ns };
  const facts = missingFacts(x, state);
  assert.deepEqual(facts.map(([, value]) => value.split(" ")[0]), ["4", "2"]);
  assert.match(facts[1]![1], /since .*\d\d:\d\d/);
  assert.deepEqual(missingFacts(rsu("R1"), state), []); // also of an earlier centre
});

test("the page of an RSU names the numbers of what is lost", () => {
  setLang("en");
  const found = { esn: "R1", states: [], next: null, hours: [], past: [] };
  const items = [{ epoch: 3, seq: 9, received_ns: row.received_ns, reason: "lost 9: no recording holds it" }];
  assert.match(rsuHtml(new State(), { ...found, lost: items }), /no recording holds it/);
  assert.doesNotMatch(rsuHtml(new State(), found), /no file holds/);
});
