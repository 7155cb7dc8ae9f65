import assert from "node:assert/strict";
import { test } from "node:test";

import { detailsOf, filterOf, queryOf, subjectWord } from "../src/accounts/audit.ts";
import { failureText } from "../src/accounts/form.ts";
import { Refused } from "../src/api.ts";
import type { DeskSettings } from "../src/desk/model.ts";
import { State } from "../src/state.ts";
import { setLang } from "../src/words.ts";

test("the log's filters narrow by what is given, times in the road's own zone", () => {
  const query = (words: string): string => queryOf(new URLSearchParams(words));
  assert.equal(query(""), "limit=100");
  assert.equal(query("user=%20wang%20&act=&subject=v1&before=7"), "user=wang&subject=v1&limit=100&before=7");
  assert.equal(query("user=%20"), "limit=100", "a blank is nobody's name: the centre's own acts have an empty one");
  assert.equal(query("from=2026-11-30T08:00:00"), `from_ns=${Date.UTC(2026, 10, 30)}000000&limit=100`);
  assert.equal(query("to=no+time&before=x&other=1"), "limit=100");
  assert.equal(filterOf(new URLSearchParams("user=wang&before=7")).toString(), "user=wang", "a file has all pages");
});

test("an account has any name, also one that each object of the language knows", () => {
  setLang("en");
  assert.deepEqual(["constructor", "wang", "exercise"].map(subjectWord), ["constructor", "wang", "EXERCISE"]);
  setLang("zh");
  assert.equal(subjectWord("exercise"), "演练");
});

test("why a sign-in failed is said without the half that was wrong, in both languages", () => {
  for (const lang of ["zh", "en"] as const) {
    setLang(lang);
    const wrong = failureText(new Refused(401, {}));
    assert.match(wrong, lang === "zh" ? /账号或密码/ : /user name or the password/);
    assert.match(failureText(new Refused(429, { extra: { wait_s: 8 } })), /8 s/);
    assert.match(failureText(new Refused(429, { wait_s: 8 })), /8 s/);
    assert.notEqual(failureText(new Refused(503, { extra: { reason: "busy" } })), failureText(new Refused(503, { detail: "disk" })));
    assert.notEqual(failureText(new TypeError("no link")), wrong);
  }
});

test("a member of a problem is found at its top or among its extras", () => {
  assert.equal(new Refused(409, { rule: "a" }).problem["rule"], "a");
  assert.equal(new Refused(409, { extra: { rule: "b" } }).problem["rule"], "b");
  assert.equal(new Refused(409, { extra: null }).problem["rule"], undefined);
});

test("the log says codes and times in the page's words, and what it does not know as it was written", () => {
  const state = new State();
  const reasons = [{ code: "driver_warned", zh: "已警示驾驶员", en: "driver warned", is_false: false }];
  state.desk.settings = { reasons } as unknown as DeskSettings;
  const body = {
    to: null, reason: "driver_warned", until_ns: "1795993755667837200", rule: "overspeed", role: "auditor", state: "new", newer: "x",
  };
  setLang("zh");
  assert.equal(
    detailsOf(state, body), "原因 已警示驾驶员 · 到期 2026-11-30 07:09:15 · 规则 超速 · 角色 审计员 · 状态 未确认 · newer x",
  );
  setLang("en");
  assert.equal(
    detailsOf(state, { ...body, state: "later" }),
    "reason driver warned · until 2026-11-30 07:09:15 · rule Overspeed · role auditor · state later · newer x",
  );
});
