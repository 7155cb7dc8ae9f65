import assert from "node:assert/strict";
import { test } from "node:test";
import { filesHtml, periodOf, pickerHtml } from "../src/search/figures.ts";
import { asked, formHtml, stampOf } from "../src/search/form.ts";
import { healthHtml } from "../src/search/health.ts";
import { State } from "../src/state.ts";
import { setLang } from "../src/words.ts";

const MARKUP = '2026-11-28 ("><img src=x>) 10:00'; // `Date.parse` takes what stands in brackets for a remark

test("an address brings no markup into the page: a time that is not one counts as none", () => {
  assert.equal(stampOf("2026-11-28"), "1795795200000000000");
  assert.equal(stampOf("2026-11-28T10:00"), "1795831200000000000");
  for (const text of ["", "2026", MARKUP, "2026-11-28T10:00:00", "2026-13-01"]) assert.equal(stampOf(text), null, text);
  const words = new URLSearchParams({ from: MARKUP, to: MARKUP });
  assert.match(periodOf(words, 1e12).from, /^2001-09-09$/);
  assert.doesNotMatch(pickerHtml(words, 1e12), /<img/);
  assert.doesNotMatch(filesHtml(`reports/daily?day=${MARKUP}`, "en"), /<img/);
});

test("what nobody has acknowledged, what is in hand or closed, and a UN number can be asked for", () => {
  const html = formHtml(new State(), new URLSearchParams({ handling: "new", un: "UN 1203" }));
  const choices = /<select name="handling">(.*?)<\/select>/.exec(html)![1]!;
  assert.deepEqual([...choices.matchAll(/value="(.*?)"/g)].map((x) => x[1]), ["", "new", "acknowledged", "handled", "closed"]);
  assert.match(choices, /value="new" selected/);
  assert.match(html, /<input name="un"/);
  for (const written of ["1203", "UN1203", "un 1203"]) {
    assert.equal(asked(new URLSearchParams({ handling: "new", un: written }), 50), "limit=50&handling=new&un=1203");
  }
});

test("the health of alarms says what EEMUA 191 asks for, and marks what is beyond it; false alarms have their radar", () => {
  setLang("en");
  const report = {
    closed: 4, false: 3, share: 0.75, by_radar: [{ key: "RSU<1>/R1", n: 4, false: 3, share: 0.75 }], raised: 20,
    by_priority: { 1: 4, 2: 3, 3: 12, 4: 1 }, chattering: [], flood_share: 0.02,
  };
  const desk = {
    new: { violation: 0, warning: 0, loss: 0 }, acknowledged: 0, handled: 0, escalated: 0, shelved: 0, per_operator_hour: 3,
    last_10_min: 1, flood: false, chattering: 0, standing: 12, ack_s_mean: 21.4, false_share_7d: 0.75, operators: 1,
  };
  const html = healthHtml(report, desk);
  for (const found of ["▲ 12", "▲ 2.00 %", "▲ 20 : 15 : 65", "5 : 15 : 80", "RSU&#60;1&#62;/R1", "75.0 %", "21 s"]) {
    assert.ok(html.includes(found), found);
  }
  assert.doesNotMatch(html, /▲ 3\.0|▲ 0</);
  const calm = healthHtml({ ...report, raised: 0, by_priority: {}, flood_share: null, by_radar: [] }, null);
  assert.doesNotMatch(calm, /▲|NaN|undefined/);
});
