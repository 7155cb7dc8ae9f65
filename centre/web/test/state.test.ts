import assert from "node:assert/strict";
import { test } from "node:test";
import type { EpisodeDetail } from "../src/api.ts";
import { State } from "../src/state.ts";
import { episode } from "./samples.ts";

test("the chosen one's evidence is fetched when it is not there, or older than the episode", () => {
  const detail = (version: number): EpisodeDetail => ({ episode: episode("a", 1, { version }), versions: [] });
  const rows: [EpisodeDetail | "loading" | "missing" | undefined, boolean][] = [
    [undefined, true], // never asked for, or the centre did not answer
    ["loading", false],
    ["missing", true], // it was unknown, and has come since
    [detail(1), true],
    [detail(2), false],
    [detail(3), false], // its event is still on its way
  ];
  for (const [held, want] of rows) {
    const state = new State();
    state.put(episode("a", 1, { version: 2 }));
    assert.equal(state.wantsDetail, false, "nothing is chosen");
    state.selected = "a";
    if (held !== undefined) state.details.set("a", held);
    assert.equal(state.wantsDetail, want, JSON.stringify(held));
  }
  const state = new State();
  state.selected = "b";
  state.details.set("b", "missing");
  assert.equal(state.wantsDetail, false, "the centre knows no such episode");
});
