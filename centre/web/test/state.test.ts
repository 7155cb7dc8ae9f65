import assert from "node:assert/strict";
import { test } from "node:test";
import type { EpisodeDetail } from "../src/api.ts";
import type { Episode } from "../src/api.ts";
import { untouched } from "../src/desk/model.ts";
import { isLate, State } from "../src/state.ts";
import { episode } from "./samples.ts";

test("the chosen episode's evidence is fetched if it is absent, or older than the episode", () => {
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

test("evidence is fetched again after an overtaken version", () => {
  const state = new State();
  state.put(episode("a", 1, { version: 3, versions: 2 }));
  state.selected = "a";
  state.details.set("a", { episode: episode("a", 1, { version: 3, versions: 1 }), versions: [] });
  assert.equal(state.wantsDetail, true);
});

/** Numbers that look drawn by chance, the same each time. */
function* chance(seed: number): Generator<number> {
  for (let x = seed; ; ) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    yield x / 2 ** 32;
  }
}

test("law: the stream of changes leads to the same state as a fresh load, whenever the page was loaded and whatever it missed", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const dice = chance(seed);
    const pick = (n: number): number => Math.floor((dice.next().value as number) * n);
    const rows = new Map<string, Episode>();
    const feed: { key: string; at: Episode }[] = []; // each change announces the row that it left
    const pages: { state: State; cursor: number }[] = [];
    const load = (): void => {
      const state = new State();
      for (const row of rows.values()) state.put(row);
      pages.push({ state, cursor: Math.max(0, feed.length - pick(3)) }); // what comes twice is the same row
    };
    const follow = (page: (typeof pages)[number], n: number): void => {
      for (const { at } of feed.slice(page.cursor, page.cursor + n)) page.state.put(at);
      page.cursor = Math.min(feed.length, page.cursor + n);
    };
    load();
    for (let i = 0; i < 40; i++) {
      const id = "abc"[pick(3)]!;
      const [hop, version, grade] = [pick(2), 1 + pick(5), (["notice", "warning", "violation"] as const)[pick(3)]!];
      const before = rows.get(id);
      const overtaken = before !== undefined && (hop < before.hop || (hop === before.hop && version <= before.version));
      const newest = overtaken ? before : episode(id, before?.order ?? rows.size + 1, { hop, version, grade, open: pick(3) > 0 });
      const grades = ["undecidable", "notice", "warning", "violation"] as const;
      const grade_max = before !== undefined && grades.indexOf(before.grade_max) > grades.indexOf(grade) ? before.grade_max : grade;
      const row: Episode = {
        ...newest, grade_max, versions: (before?.versions ?? 0) + 1,
        p_violation_max: Math.max(before?.p_violation_max ?? 0, pick(100) / 100),
      };
      rows.set(id, row);
      feed.push({ key: id, at: row });
      if (pick(6) === 0) load();
      if (pick(2) === 0) follow(pages[pick(pages.length)]!, 1 + pick(4));
    }
    for (const page of pages) {
      follow(page, Infinity);
      assert.deepEqual(Object.fromEntries(page.state.episodes), Object.fromEntries(rows), `seed ${seed}`);
    }
  }
});

const S = 1_000_000_000n;
const at = (seconds: number): string => String(1_790_000_000n * S + BigInt(seconds * 1_000) * 1_000_000n);

test("new is an open alarm that nobody has acknowledged, however old; one that was sent late is late", () => {
  const rows: [Partial<Episode>, number, boolean, boolean][] = [
    [{ first_detected_ns: at(0.1), first_sent_ns: at(0.2), first_committed_ns: at(4) }, 5, false, true],
    [{ first_detected_ns: at(0.1), first_sent_ns: at(0.2) }, 3_600, false, true], // nobody has looked for an hour
    [{ first_detected_ns: at(0.1), first_sent_ns: at(0.2), open: false }, 5, false, false], // it waits, but is over
    [{ first_detected_ns: at(0.1), first_sent_ns: at(45), first_committed_ns: at(45.1) }, 46, true, true], // held in an outbox
    [{ first_detected_ns: at(0.1), first_sent_ns: at(8) }, 9, false, true], // a reconnection is no outage
    // its RSU's clock is a minute slow
    [{ first_detected_ns: at(-60), first_sent_ns: at(-59.9), first_committed_ns: at(0.2) }, 5, false, true],
    [{ first_detected_ns: null, first_sent_ns: null }, 5, false, true],
    [{ late: true, first_detected_ns: at(0.1), first_sent_ns: at(0.2) }, 5, true, true], // uploaded from a blind area
    [{ grade: "notice", grade_max: "notice" }, 5, false, false],
  ];
  for (const [more, now, late, isNew] of rows) {
    const state = new State();
    state.setCentreTime(at(now), performance.now());
    const row = episode("a", 1, { start_ns: at(0), ...more });
    assert.deepEqual([isLate(row), state.isNew(row)], [late, isNew], JSON.stringify(more));
  }
  const state = new State();
  state.desk.put({ ...untouched("a", "acknowledged"), version: 5 });
  assert.deepEqual([state.isNew(episode("a", 1)), state.isUnseen(episode("a", 1))], [false, false]);
});

test("a page that has dropped old rows uses the centre's counts, and keeps the rows that it was turned to", () => {
  const state = new State();
  state.complete = true;
  state.paged = new Set(["e1", "e2"]);
  const record = { grade: "notice", grade_max: "notice" } as const;
  for (let i = 0; i < 1_999; i++) state.put(episode(`e${i}`, i, { ...record, open: i === 0 }));
  assert.equal(state.complete, true);
  state.put(episode("waits", 3.5, { open: false })); // nobody has acknowledged it
  for (let i = 2_000; i < 2_010; i++) state.put(episode(`e${i}`, i, { ...record, open: false }));
  assert.equal(state.complete, false);
  assert.deepEqual(["e0", "e1", "e2", "e3", "waits"].map((id) => state.episodes.has(id)), [true, true, true, false, true]);
});
