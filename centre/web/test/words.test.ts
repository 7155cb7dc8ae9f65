import assert from "node:assert/strict";
import { test } from "node:test";
import { doneWord } from "../src/desk/deskrow.ts";
import { violationRow } from "../src/search/tables.ts";
import { State } from "../src/state.ts";
import { getLang, name, reason, setLang, t, WORDS } from "../src/words.ts";
import { episode } from "./samples.ts";

test("each word is written in Chinese and in English, with the same values in it", () => {
  const oneSided = Object.entries(WORDS).filter(([, both]) => both.some((text) => text === "")).map(([word]) => word);
  assert.deepEqual(oneSided, ["classN"]); // a class is "3 类" and "3"
  const values = (text: string): string[] => [...new Set(text.match(/\{\w\}/g))].sort();
  for (const [word, [zh, en]] of Object.entries(WORDS)) assert.deepEqual(values(zh), values(en), word);
});

test("a name from the wire is translated, and one that has no word stays as it is", () => {
  const before = getLang();
  setLang("en");
  assert.equal(name("online"), "online");
  assert.equal(name("violationS"), "VIOL");
  assert.equal(reason("radar_gap"), "radar gap");
  for (const key of ["constructor", "toString", "__proto__", "hasOwnProperty"]) { // members of each object are no words
    assert.equal(name(key), key);
    assert.equal(reason(key), key.replaceAll("_", " "));
  }
  setLang(before);
});

test("values are put into a word; one that is not given stays visible", () => {
  const before = getLang();
  setLang("en");
  assert.equal(t("asOf", { t: "12:00:00" }), "as of 12:00:00");
  assert.equal(t("asOf"), "as of {t}");
  setLang(before);
});

test("what the centre names has its word in both languages, and keeps its name where the page has none", () => {
  const acts = [
    "acknowledge", "handle", "close", "false", "reopen", "note", "assign", "correct", "end", "escalate", "resume", "shelve", "shelf_end",
    "warn_driver", "warn_outcome", "evidence_ask", "evidence_get", "evidence_deleted", "shift_begin", "shift_end", "hand_over",
    "hand_back", "exercise_begin", "exercise_end", "desk_begin", "sign_in", "sign_out", "sign_in_refused", "user_add", "user_role",
    "user_password",
  ];
  setLang("zh");
  for (const act of acts) assert.match(doneWord(act), /^[\u4e00-\u9fff]+$/, act);
  assert.equal(doneWord("some_newer_act"), "some newer act");
  const found = { ...episode("a", 1), handling: "acknowledged" as const };
  assert.match(violationRow(new State(), found).at(-1)!, /已确认/);
  assert.match(violationRow(new State(), { ...found, handling: "closed", is_false: true }).at(-1)!, /误报/);
  setLang("en");
});
