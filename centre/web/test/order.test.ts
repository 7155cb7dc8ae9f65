import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange, isAlarm, isNewer, neighbour, sectionOf } from "../src/order.ts";
import type { Ranked, SectionKey } from "../src/order.ts";
import type { Episode } from "../src/api.ts";
import { untouched } from "../src/desk/model.ts";
import type { DeskState } from "../src/desk/model.ts";
import { episode } from "./samples.ts";

/** Episodes as the list ranks them, with what was done about them; `lead` of a case of several. */
const row = (x: Episode, state: DeskState = "new", lead = x.id): Ranked => ({
  id: x.id, order: x.order, open: x.open, lead, section: sectionOf(isAlarm(x) ? untouched(x.id, state) : null, x.open),
});
const map = (...list: (Episode | Ranked)[]): Map<string, Ranked> =>
  new Map(list.map((x) => ("section" in x ? x : row(x))).map((x) => [x.id, x]));
const ids = (layout: ReturnType<typeof arrange>): string[] => layout.sections.map((x) => x.ids.join(""));
const record = (id: string, order: number, open = true): Episode => episode(id, order, { grade: "notice", grade_max: "notice", open });

test("sections: by what was done with an alarm and whether it goes on; what ended unseen waits with what is open", () => {
  const rows: [DeskState | null, number | null, boolean, SectionKey][] = [
    ["new", null, true, "secNew"],
    ["new", null, false, "secUnseen"],
    ["new", 7, true, "secShelved"],
    ["acknowledged", null, true, "secWork"],
    ["acknowledged", 7, false, "secWork"], // somebody has it in hand: a shelf doesn't hide that
    ["handled", null, false, "secWork"],
    ["closed", null, true, "secClosed"],
    [null, null, true, "secRecord"],
  ];
  for (const [state, shelf, open, want] of rows) {
    const handling = state === null ? null : { state, shelf };
    assert.equal(sectionOf(handling, open), want, `${state} ${shelf} ${open}`);
  }
});

test("the newest opened is on top, whatever arrived last", () => {
  assert.deepEqual(ids(arrange(map(episode("a", 1), episode("c", 3), episode("b", 2)), null)), ["cba", "", "", "", "", ""]);
});

test("a frozen list neither moves nor grows; arrivals and moves are counted", () => {
  const before = arrange(map(episode("a", 1), episode("b", 2)), null);
  const after = map(row(episode("a", 1), "acknowledged"), episode("b", 2, { open: false }), episode("c", 3));
  const now = arrange(after, before);
  assert.deepEqual(ids(now), ["ba", "", "", "", "", ""]);
  assert.equal(now.held, 3); // c came, b ended, a was acknowledged
  const later = arrange(after, null);
  assert.deepEqual([ids(later), later.held], [["c", "b", "a", "", "", ""], 0]);
});

test("the heads of a held list have the current counts, and new open alarms are named", () => {
  const before = arrange(map(episode("a", 1), episode("b", 2), episode("e", 0, { open: false })), null);
  const now = arrange(
    map(
      episode("a", 1, { open: false }), row(episode("b", 2), "handled"), episode("e", 0, { open: false }), episode("c", 3), episode("d", 4),
    ),
    before,
  );
  assert.deepEqual(
    now.sections.slice(0, 3).map((x) => [x.key, x.ids.join(""), x.total]),
    [["secNew", "ba", 2], ["secUnseen", "e", 2], ["secWork", "", 1]],
  );
  assert.deepEqual(now.news, ["d", "c"]);
  const back = arrange(map(episode("a", 1), episode("b", 2), episode("e", 0)), before); // an ended one that goes on elsewhere
  assert.deepEqual([back.news, back.sections[0]!.total], [["e"], 3]);
});

test("the chosen row stays in its section while its reader acts on it; the heads don't wait", () => {
  const acted = map(episode("b", 2), row(episode("a", 1), "closed"));
  const wish = { unfolded: new Set<SectionKey>(), chosen: "a", stays: { id: "a", section: "secNew" } as const };
  const layout = arrange(acted, null, wish);
  assert.deepEqual([ids(layout)[0], layout.sections[0]!.total, layout.sections[5]!.total], ["ba", 1, 1]);
  assert.deepEqual(ids(arrange(acted, null, { ...wish, stays: null })), ["b", "", "", "", "", "a"]);
});

test("a case is one row where its most urgent alarm belongs, at the place of its first; the heads count alarms", () => {
  const rows = map(
    row(episode("a", 1, { open: false }), "acknowledged", "a"), row(episode("c", 3), "new", "a"),
    row(episode("b", 2)), row(episode("d", 4), "closed"),
  );
  const folded = arrange(rows, null);
  assert.deepEqual(ids(folded), ["ba", "", "", "", "", "d"]);
  assert.deepEqual(folded.sections.map((x) => x.total), [2, 0, 1, 0, 0, 1]);
  assert.deepEqual(ids(arrange(rows, null, { unfolded: new Set(), chosen: null, cases: new Set(["a"]) }))[0], "bac");
  assert.deepEqual(ids(arrange(rows, null, { unfolded: new Set(), chosen: "c" }))[0], "bac", "a chosen alarm is shown");
  assert.deepEqual(ids(arrange(rows, null, { unfolded: new Set(), chosen: "a" }))[0], "ba");
});

test("a section has the centre's count if the page has not loaded all, and shows the page that was turned to", () => {
  const many = map(
    ...Array.from({ length: 250 }, (_, i) => record(`e${i}`, 1_000 + i, false)), ...[1, 2, 3].map((i) => record(`o${i}`, i, false))
  );
  const wish = { unfolded: new Set(["secRecord"] as const), chosen: null, totals: { secRecord: 1_839 } };
  const newest = arrange(many, null, wish).sections[4]!;
  assert.deepEqual([newest.ids.length, newest.ids[0], newest.total], [100, "e249", 1_839]);
  const older = arrange(many, null, { ...wish, pages: new Map([["secRecord", ["o3", "o2", "o1"]]]) }).sections[4]!;
  assert.deepEqual([older.ids, older.total], [["o3", "o2", "o1"], 1_839]);
});

test("a long list shows all that somebody must act on, and how many closed ones it leaves out", () => {
  const open = Array.from({ length: 300 }, (_, i) => episode(`e${i}`, i, { open: i % 2 === 0 }));
  const closed = Array.from({ length: 30 }, (_, i) => row(episode(`c${i}`, i, { open: false }), "closed"));
  const layout = arrange(map(...open, ...closed), null);
  assert.deepEqual(layout.sections.map((x) => x.ids.length), [150, 150, 0, 0, 0, 10]);
  assert.equal(layout.sections[5]!.total, 30);
});

test("recorded episodes: the newest few are shown, all when unfolded, and the chosen row always", () => {
  const rows = Array.from({ length: 40 }, (_, i) => episode(`r${i}`, i, { grade: "undecidable", grade_max: "undecidable", open: i < 10 }));
  const many = map(episode("a", 99), ...rows);
  const folded = arrange(many, null).sections[4]!;
  assert.deepEqual([folded.ids, folded.total, folded.open], [["r39", "r38", "r37"], 40, 10]);
  assert.deepEqual(arrange(many, null, { unfolded: new Set(), chosen: "r5" }).sections[4]!.ids, ["r39", "r38", "r37", "r5"]);
  assert.equal(arrange(many, null, { unfolded: new Set(["secRecord"]), chosen: null }).sections[4]!.ids.length, 40);
});

test("unfolding a section under the pointer renews that section only, and new recorded episodes are not announced", () => {
  const records = (to: number): Episode[] => Array.from({ length: to }, (_, i) => record(`r${i + 1}`, i + 1));
  const before = arrange(map(episode("a", 100), ...records(5)), null);
  const more = map(episode("a", 100), episode("b", 101), ...records(6));
  const held = arrange(more, before);
  assert.deepEqual([held.sections[4]!.ids, held.held], [["r5", "r4", "r3"], 1]);
  const unfolded = arrange(more, before, { unfolded: new Set(["secRecord"]), chosen: null }, "secRecord");
  assert.deepEqual([unfolded.sections[0]!.ids, unfolded.sections[4]!.ids], [["a"], ["r6", "r5", "r4", "r3", "r2", "r1"]]);
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
