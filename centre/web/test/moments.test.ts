import assert from "node:assert/strict";
import { test } from "node:test";
import type { Summary } from "../src/api.ts";
import { runningWords } from "../src/desk/exercise.ts";
import { emptyHtml } from "../src/listwords.ts";
import type { Site } from "../src/site.ts";
import { State } from "../src/state.ts";
import { setLang } from "../src/words.ts";

const MIDNIGHT_MS = Date.UTC(2026, 10, 29, 16); // of UTC+8
const ns = (atMs: number): string => `${atMs}000000`;

test("a picture that froze yesterday has its date, one of today has none", () => {
  setLang("en");
  for (const [lostS, want] of [[3_600, "Picture frozen at 11-29 23:50:00<"], [300, "Picture frozen at 23:50:00<"]] as const) {
    const state = new State();
    [state.site, state.summary] = [{} as Site, {} as Summary];
    state.setCentreTime(ns(MIDNIGHT_MS - 600_000), performance.now() - lostS * 1_000);
    state.connection = "disconnected";
    assert.ok(emptyHtml(state).includes(want), emptyHtml(state));
  }
});

test("an exercise that lasts beyond midnight has the date of its end", () => {
  setLang("en");
  for (const [untilMs, want] of [[MIDNIGHT_MS + 60_000, "until 11-30 00:01:00"], [MIDNIGHT_MS - 60_000, "until 23:59:00"]] as const) {
    const state = new State();
    state.setCentreTime(ns(MIDNIGHT_MS - 600_000), performance.now());
    state.desk.putRunning({ script: "x", user: "ada", until_ns: ns(untilMs) });
    assert.ok(runningWords(state).endsWith(want), runningWords(state));
  }
});
