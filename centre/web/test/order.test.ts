import assert from "node:assert/strict";
import { test } from "node:test";
import type { Episode } from "../src/api.ts";
import { arrange, isNewer, neighbour, sectionOf } from "../src/order.ts";
import { episode } from "./samples.ts";

const map = (...list: Episode[]): Map<string, Episode> => new Map(list.map((x) => [x.id, x]));
const ids = (layout: ReturnType<typeof arrange>): string[] => layout.sections.map((x) => x.ids.join(""));

test("sections: open alarms, ended alarms, episodes that are only recorded", () => {
  const rows: [Partial<Episode>, string][] = [
    [{ grade: "warning", grade_max: "warning" }, "secOpen"],
    [{ grade: "notice", grade_max: "violation" }, "secOpen"], // it was an alarm: it doesn't sink while it is open
    [{ grade: "warning", grade_max: "warning", open: false }, "secEnded"],
    [{ grade: "notice", grade_max: "notice" }, "secRecord"],
    [{ grade: "undecidable", grade_max: "undecidable", open: false }, "secRecord"],
  ];
  for (const [more, want] of rows) assert.equal(sectionOf(episode("a", 1, more)), want, JSON.stringify(more));
});

test("the newest opened is on top, whatever arrived last", () => {
  assert.deepEqual(ids(arrange(map(episode("a", 1), episode("c", 3), episode("b", 2)), null)), ["cba", "", ""]);
});

test("a frozen list neither moves nor grows; arrivals and moves are counted", () => {
  const before = arrange(map(episode("a", 1), episode("b", 2)), null);
  const now = arrange(map(episode("a", 1, { open: false }), episode("b", 2), episode("c", 3)), before);
  assert.deepEqual(ids(now), ["ba", "", ""]);
  assert.equal(now.held, 2); // c came, a ended
  const later = arrange(map(episode("a", 1, { open: false }), episode("b", 2), episode("c", 3)), null);
  assert.deepEqual([ids(later), later.held], [["cb", "a", ""], 0]);
});

test("the heads of a held list have the current counts, and new open alarms are named", () => {
  const before = arrange(map(episode("a", 1), episode("b", 2), episode("e", 0, { open: false })), null);
  const now = arrange(
    map(
      episode("a", 1, { open: false }), episode("b", 2, { open: false }), episode("e", 0, { open: false }), episode("c", 3),
      episode("d", 4),
    ),
    before,
  );
  assert.deepEqual(
    now.sections.map((x) => [x.key, x.ids.join(""), x.total]), [["secOpen", "ba", 2], ["secEnded", "e", 3], ["secRecord", "", 0]],
  );
  assert.deepEqual(now.news, ["d", "c"]);
  const back = arrange(map(episode("a", 1), episode("b", 2), episode("e", 0)), before); // an ended one that goes on elsewhere
  assert.deepEqual([back.news, back.sections[0]!.total], [["e"], 3]);
});

test("a section has the centre's count if the page has not loaded all, and shows the page that was turned to", () => {
  const many = map(
    ...Array.from({ length: 250 }, (_, i) => episode(`e${i}`, 1_000 + i, { open: false })),
    ...[1, 2, 3].map((i) => episode(`o${i}`, i, { open: false }))
  );
  const wish = { unfolded: new Set(["secEnded"] as const), chosen: null, totals: { secEnded: 1_839 } };
  const newest = arrange(many, null, wish).sections[1]!;
  assert.deepEqual([newest.ids.length, newest.ids[0], newest.total], [100, "e249", 1_839]);
  const older = arrange(many, null, { ...wish, pages: new Map([["secEnded", ["o3", "o2", "o1"]]]) }).sections[1]!;
  assert.deepEqual([older.ids, older.total], [["o3", "o2", "o1"], 1_839]);
});

test("a long list shows all open alarms, and how many ended ones it leaves out", () => {
  const many = map(...Array.from({ length: 300 }, (_, i) => episode(`e${i}`, i, { open: i % 2 === 0 })));
  const layout = arrange(many, null);
  assert.equal(layout.sections[0]!.ids.length, 150);
  assert.deepEqual([layout.sections[1]!.ids.length, layout.sections[1]!.total], [30, 150]);
});

test("recorded episodes: the newest few are shown, all when unfolded, and the chosen row always", () => {
  const rows = Array.from({ length: 40 }, (_, i) => episode(`r${i}`, i, { grade: "undecidable", grade_max: "undecidable", open: i < 10 }));
  const many = map(episode("a", 99), ...rows);
  const folded = arrange(many, null).sections[2]!;
  assert.deepEqual([folded.ids, folded.total, folded.open], [["r39", "r38", "r37"], 40, 10]);
  assert.deepEqual(arrange(many, null, { unfolded: new Set(), chosen: "r5" }).sections[2]!.ids, ["r39", "r38", "r37", "r5"]);
  assert.equal(arrange(many, null, { unfolded: new Set(["secRecord"]), chosen: null }).sections[2]!.ids.length, 40);
});

test("unfolding a section under the pointer renews that section only, and new recorded episodes are not announced", () => {
  const record = (i: number): Episode => episode(`r${i}`, i, { grade: "notice", grade_max: "notice" });
  const before = arrange(map(episode("a", 100), ...[1, 2, 3, 4, 5].map(record)), null);
  const more = map(episode("a", 100), episode("b", 101), ...[1, 2, 3, 4, 5, 6].map(record));
  const held = arrange(more, before);
  assert.deepEqual([held.sections[2]!.ids, held.held], [["r5", "r4", "r3"], 1]);
  const unfolded = arrange(more, before, { unfolded: new Set(["secRecord"]), chosen: null }, "secRecord");
  assert.deepEqual([unfolded.sections[0]!.ids, unfolded.sections[2]!.ids], [["a"], ["r6", "r5", "r4", "r3", "r2", "r1"]]);
});

test("the newest version is the highest hop, then version", () => {
  const held = episode("a", 1, { hop: 1, version: 3 });
  assert.ok(isNewer(held, undefined));
  assert.ok(isNewer(episode("a", 1, { hop: 1, version: 4 }), held));
  assert.ok(isNewer(episode("a", 1, { hop: 2, version: 1 }), held));
  assert.ok(!isNewer(episode("a", 1, { hop: 0, version: 9 }), held));
  assert.ok(!isNewer(episode("a", 1, { hop: 1, version: 2 }), held));
});

test("J and K walk through all sections and stop at the ends", () => {
  const layout = arrange(map(episode("a", 1), episode("b", 2, { open: false })), null);
  assert.deepEqual(
    [neighbour(layout, null, 1), neighbour(layout, "a", 1), neighbour(layout, "b", 1), neighbour(layout, "a", -1)], ["a", "b", "b", "a"],
  );
  assert.equal(neighbour(arrange(map(), null), null, 1), null);
});
