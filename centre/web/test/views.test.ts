import assert from "node:assert/strict";
import { test } from "node:test";
import { Interval } from "../src/schedule.ts";
import { State } from "../src/state.ts";
import { Screen } from "../src/views.ts";
import type { Host, Picked, Rate, View } from "../src/views.ts";

function view(rate: Rate, name: string, log: string[]): View {
  return {
    rate,
    mount: (host: Host) => {
      log.push(`mount ${name}`);
      host.choose({ kind: "episode", id: name });
    },
    draw: (_state, now) => log.push(`${name} ${now}`),
  };
}

test("a screen mounts its views once and draws those of a rate, in their order", () => {
  const log: string[] = [];
  const chosen: Picked[] = [];
  const screen = new Screen(new State(), [view("text", "a", log), view("frame", "b", log), view("text", "c", log)]);
  screen.mount((picked) => chosen.push(picked));
  screen.draw("text", 1);
  screen.draw("frame", 2);
  screen.draw("road", 3);
  assert.deepEqual(log, ["mount a", "mount b", "mount c", "a 1", "c 1", "b 2"]);
  assert.deepEqual(chosen.map((x) => x.kind === "episode" && x.id), ["a", "b", "c"]);
});

test("an interval is due once per period, a little early too, and at once after a reset", () => {
  const each = new Interval(500);
  assert.deepEqual([1_000, 1_400, 1_496, 1_500, 1_991].map((now) => each.due(now)), [true, false, true, false, true]);
  each.reset();
  assert.ok(each.due(2_000));
});
