import assert from "node:assert/strict";
import { test } from "node:test";
import { Router } from "../src/router.ts";
import { Interval } from "../src/schedule.ts";
import { State } from "../src/state.ts";
import { Screen, Screens } from "../src/views.ts";
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

test("all screens mount their views once; of a rate the frame's views are drawn first, then those of the screen that is shown", () => {
  const log: string[] = [];
  const chosen: Picked[] = [];
  const [first, second] = ["first", "second"].map((name) => {
    const root = { hidden: false } as HTMLElement;
    return new Screen([view("text", `${name}.a`, log), view("frame", `${name}.b`, log)], root);
  }) as [Screen, Screen];
  const screens = new Screens(new State(), new Screen([view("text", "frame", log)]), [first, second]);
  screens.mount((picked) => chosen.push(picked));
  assert.deepEqual([first.root!.hidden, second.root!.hidden], [false, true]);
  screens.draw("text", 1);
  screens.show(second);
  assert.deepEqual([first.root!.hidden, second.root!.hidden], [true, false]);
  screens.draw("text", 2);
  screens.draw("frame", 3);
  screens.draw("road", 4);
  const mounted = ["frame", "first.a", "first.b", "second.a", "second.b"];
  assert.deepEqual(
    log, [...mounted.map((name) => `mount ${name}`), "frame 1", "first.a 1", "frame 2", "second.a 2", "second.b 3"],
  );
  assert.deepEqual(chosen.map((x) => x.kind === "episode" && x.id), mounted);
});

test("an address opens the first route that matches; one that is not known changes nothing", () => {
  const opened: string[] = [];
  const router = new Router([
    { hash: /^$/, open: (value) => opened.push(`start ${value}.`) },
    { hash: /^#v=([\w-]+)$/, open: (value) => opened.push(`episode ${value}`) },
    { hash: /^#/, open: (value) => opened.push(`other ${value}.`) },
  ]);
  assert.deepEqual(["", "#v=a-1", "#v=", "elsewhere"].map((hash) => router.follow(hash)), [true, true, true, false]);
  assert.deepEqual(opened, ["start .", "episode a-1", "other ."]);
});

test("an interval is due once per period, a little early too, and at once after a reset", () => {
  const each = new Interval(500);
  assert.deepEqual([1_000, 1_400, 1_496, 1_500, 1_991].map((now) => each.due(now)), [true, false, true, false, true]);
  each.reset();
  assert.ok(each.due(2_000));
});
