import assert from "node:assert/strict";
import { test } from "node:test";
import { filesHtml, periodOf, pickerHtml } from "../src/search/figures.ts";
import { asked, formHtml, stampOf } from "../src/search/form.ts";
import { State } from "../src/state.ts";

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
