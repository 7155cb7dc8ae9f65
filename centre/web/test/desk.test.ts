import assert from "node:assert/strict";
import { test } from "node:test";
import { setMe } from "../src/accounts/me.ts";
import type { Episode, Summary } from "../src/api.ts";
import { shelfHindrance } from "../src/desk/actsbar.ts";
import { caseOf, mostUrgent, rankAll, unseen } from "../src/desk/alarms.ts";
import {
  chipHtml, dueHtml, elsewhereWords, handledBy, lossDetail, lossName, noteParts, refusalText, rowButton, rowLabel,
} from "../src/desk/deskrow.ts";
import { whatIsMissing } from "../src/desk/dialog.ts";
import { exerciseBanner, exerciseHindrance, exerciseHtml } from "../src/desk/exercise.ts";
import { fitting, grouped } from "../src/desk/groups.ts";
import { ACTS, hindrance, nextAct, untouched } from "../src/desk/model.ts";
import type { Act, Circumstances, DeskState, Handling, Shelf } from "../src/desk/model.ts";
import { Absence } from "../src/desk/absence.ts";
import { elsewhereOf } from "../src/desk/others.ts";
import type { OthersBody } from "../src/desk/others.ts";
import { sheetCsv, sheetHtml } from "../src/desk/sheet.ts";
import { scopesOf } from "../src/desk/scopes.ts";
import { shelfWords } from "../src/desk/shelving.ts";
import { totalsOf } from "../src/listwords.ts";
import { arrange } from "../src/order.ts";
import { State } from "../src/state.ts";
import { setLang } from "../src/words.ts";
import { episode } from "./samples.ts";

const handled = (id: string, state: DeskState, more: Partial<Handling> = {}): Handling => (
  { ...untouched(id, state), version: 1, ...more }
);
const loss = (n: number, more: object = {}): Parameters<State["desk"]["putLoss"]>[0] => ({
  id: `loss-${n}`, kind: "rsu", part: "RSU22", start_ns: "1000000000", end_ns: null, detail: "", ...more,
});

function deskOf(...rows: Episode[]): State {
  const state = new State();
  for (const x of rows) state.put(x);
  state.connection = "live";
  setMe({
    name: "li", display: "", role: "operator", rights: ["look", "handle"], csrf: "", desk: "", accounts: true, demo: false,
  });
  return state;
}

test("where more waits than the centre lists, heads and header count what the centre counts", () => {
  const state = deskOf(episode("a", 1, { open: false }), episode("b", 2));
  for (const id of ["a", "b"]) state.desk.put(handled(id, "new"));
  state.desk.loaded = true;
  state.summary = { desk: { new: { violation: 0, warning: 6_000, loss: 1 } }, sections: { ended: 9, record: 0 } } as unknown as Summary;
  assert.equal(unseen(state).all, 2, "all are listed: the page is newer than the summary");
  state.desk.cut = true;
  assert.deepEqual(unseen(state), { violation: 0, warning: 6_000, loss: 1, all: 6_001 });
  const ranked = rankAll(state);
  const layout = arrange(ranked, null, { unfolded: new Set(), chosen: null, totals: totalsOf(state, ranked) });
  assert.deepEqual(layout.sections.slice(0, 2).map((x) => [x.ids.length, x.total]), [[1, 1], [1, 6_000]]);
});

test("a row says what was done at the other centre, and until when that is known, as long as more was done there", () => {
  setLang("en");
  const state = deskOf(episode("a", 1), episode("b", 2), episode("c", 3));
  for (const id of ["a", "b", "c"]) state.desk.put(handled(id, id === "b" ? "handled" : "new"));
  const there = (id: string, of: DeskState, user = "wang"): OthersBody["items"][number]["alarms"][number] =>
    ({ id, state: of, user, at_ns: "1000000000" });
  state.desk.putElsewhere(elsewhereOf({ items: [
    { centre: "main", stamp_ns: "61000000000", alarms: [there("a", "acknowledged", "<b>"), there("b", "acknowledged")] },
    { centre: "third", stamp_ns: "2000000000", alarms: [there("a", "new")] },
  ] }));
  assert.equal(elsewhereWords(state, "a"), "centre main: Acked by <b> at 1970-01-01 08:00 (as of 1970-01-01 08:01)");
  assert.deepEqual(noteParts(state, "a", true, state.desk.of("a")), [elsewhereWords(state, "a").replace("<b>", "&#60;b&#62;")]);
  assert.equal(elsewhereWords(state, "b"), "", "here it is in hand: that is more");
  assert.equal(elsewhereWords(state, "c"), "");
  assert.equal(state.desk.isUnseen("a"), true, "no desk is changed by what the other one says");
});

test("an act is done only by who may, where it fits, and with a link; each hindrance has its words", () => {
  const free: Circumstances = {
    handling: handled("a", "new"), open: true, alarm: true, loss: false, linked: true, rights: ["look", "handle", "shelve"],
    rsuLost: false, pending: false,
  };
  const at = (state: DeskState, more: Partial<Circumstances> = {}): Circumstances => ({ ...free, handling: handled("a", state), ...more });
  const rows: [Act, Circumstances, string | null][] = [
    ["acknowledge", at("new"), null], ["acknowledge", at("acknowledged"), "isDone"], ["acknowledge", at("closed"), "isClosed"],
    ["handle", at("new"), null], ["handle", at("acknowledged"), null], ["handle", at("handled"), "isDone"],
    ["close", at("new"), null], ["close", at("closed"), "isClosed"], ["false", at("handled"), null],
    ["reopen", at("closed"), null], ["reopen", at("new"), "notClosed"],
    ["reopen", at("closed", { rights: ["look", "handle"] }), "supervisorOnly"],
    ["note", at("closed"), null], ["correct", at("closed"), null], ["correct", at("new", { loss: true }), "noPlate"],
    ["end", at("new"), "rsuLives"], ["end", at("new", { rsuLost: true }), null],
    ["end", at("new", { rsuLost: true, open: false }), "rsuLives"],
    ["acknowledge", at("new", { rights: ["look"] }), "noDeskRight"], ["acknowledge", at("new", { linked: false }), "noLink"],
    ["acknowledge", at("new", { pending: true }), "sending"], ["acknowledge", at("new", { alarm: false }), "onlyRecord"],
    ["acknowledge", { ...free, handling: null }, "noRow"],
  ];
  for (const [act, circumstances, want] of rows) {
    assert.equal(hindrance(act, circumstances), want, `${act} ${circumstances.handling?.state}`);
  }
  for (const act of ACTS) assert.equal(hindrance(act, at("new", { linked: false })), "noLink", "a lost link hinders every act");
  assert.deepEqual((["new", "acknowledged", "handled", "closed"] as const).map(nextAct), ["acknowledge", "handle", "close", "reopen"]);
});

test("what the centre did not list at the start was closed long ago; what became an alarm since is new", () => {
  const state = deskOf(
    episode("old", 1, { open: false }), episode("listed", 2, { open: false }), episode("quiet", 3, { grade_max: "notice" }),
  );
  assert.equal(state.desk.of("old").state, "new", "until the handlings are loaded nothing is called closed");
  state.desk.put(handled("listed", "new", { version: 0 }));
  state.desk.loaded = true;
  state.put(episode("quiet", 3, { version: 2 })); // it rises to a warning
  state.put(episode("late", 4));
  state.desk.putLoss(loss(1));
  const states = ["old", "listed", "quiet", "late", "loss-1"].map((id) => state.desk.of(id).state);
  assert.deepEqual(states, ["closed", "new", "new", "new", "new"]);
  assert.deepEqual(unseen(state), { violation: 0, warning: 3, loss: 1, all: 4 });
});

test("an older row never replaces a newer one, whichever way it comes", () => {
  const state = deskOf(episode("a", 1));
  assert.equal(state.desk.put(handled("a", "acknowledged", { version: 9 })), true);
  assert.equal(state.desk.put(handled("a", "new", { version: 8 })), false);
  assert.equal(state.desk.of("a").state, "acknowledged");
  assert.equal(state.desk.put(handled("a", "acknowledged", { version: 9, case_n: 2 })), true); // the same act, and its case grew
  assert.equal(state.desk.of("a").case_n, 2);
});

test("an acknowledged alarm whose grade rises calls again until somebody looks at it", () => {
  const state = deskOf();
  state.desk.loaded = true;
  state.put(episode("a", 1));
  state.desk.put(handled("a", "acknowledged"));
  state.put(episode("a", 1, { version: 2 }));
  assert.equal(state.desk.risen.has("a"), false, "its grade is the same");
  state.put(episode("a", 1, { version: 3, grade: "violation", grade_max: "violation" }));
  assert.equal(state.desk.risen.has("a"), true);
  assert.match(chipHtml(state, "a", state.desk.of("a"), state.episodes.get("a")!), /升级|RAISED/);
  state.desk.put(handled("a", "closed", { version: 2 }));
  assert.equal(state.desk.risen.has("a"), false);
});

test("law: events of the desk lead to the same list as a fresh load, in any order and whatever comes twice", () => {
  for (let seed = 1; seed <= 100; seed++) {
    let x = seed;
    const pick = (n: number): number => ((x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0) >>> 8) % n;
    const rows = ["a", "b", "c", "d"].map((id, i) => episode(id, i + 1, { open: pick(2) === 0 }));
    const truth = new Map(rows.map((row) => [row.id, untouched(row.id)]));
    const events: Handling[] = [];
    const old = deskOf(...rows);
    for (const row of truth.values()) old.desk.put(row);
    old.desk.loaded = true;
    for (let n = 1; n <= 20; n++) {
      const id = "abcd"[pick(4)]!;
      const states = ["new", "acknowledged", "handled", "closed"] as const;
      const next = { ...truth.get(id)!, state: states[pick(4)]!, version: n, shelf: pick(5) === 0 ? 1 : null, case: "abcd"[pick(2)]! };
      truth.set(id, next);
      events.push(next);
    }
    for (let i = events.length - 1; i > 0; i--) { // overtaken on two ways, and some of them twice
      const j = pick(i + 1);
      [events[i], events[j]] = [events[j]!, events[i]!];
    }
    for (const event of [...events, ...events.slice(0, 5)]) old.desk.put(event);
    const fresh = deskOf(...rows);
    for (const row of truth.values()) fresh.desk.put(row);
    fresh.desk.loaded = true;
    assert.deepEqual(arrange(rankAll(old), null), arrange(rankAll(fresh), null), `seed ${seed}`);
  }
});

test("a loss of view is a row among the violations, after those that were opened before it", () => {
  const at = (s: number): string => `${s}000000000`;
  const state = deskOf(episode("a", 1, { first_committed_ns: at(5) }), episode("b", 2, { first_committed_ns: at(20) }));
  state.desk.putLoss(loss(3, { start_ns: at(10) }));
  state.desk.putLoss(loss(4, { start_ns: at(10) }));
  assert.deepEqual(arrange(rankAll(state), null).sections[0]!.ids, ["b", "loss-4", "loss-3", "a"]);
});

test("a folded case shows its most urgent alarm's handling and names the others", () => {
  setLang("en");
  const state = deskOf(episode("a", 1, { open: false }), episode("b", 2, { rule: "overspeed" }));
  state.desk.put(handled("a", "handled", { case_n: 2 }));
  state.desk.put(handled("b", "new", { case: "a", case_n: 2 }));
  rankAll(state);
  assert.deepEqual(caseOf(state, "b"), ["a", "b"]);
  assert.equal(mostUrgent(state, caseOf(state, "a")).id, "b");
  assert.match(noteParts(state, "a", true, state.desk.of("b")).join(), /one case, 2 alarms<\/button> Overspeed \(Open\)/);
  assert.deepEqual(noteParts(state, "a", false, state.desk.of("a")), []);
  assert.equal(rowButton(state, "a", state.desk.of("b")).act, "acknowledge");
});

test("the time left, the escalation and who was first are on the row", () => {
  setLang("en");
  const state = deskOf(episode("a", 1));
  const row = handled("a", "acknowledged", { user: "<wang>", deadline_ns: "100000000000", escalated: 1 });
  assert.equal(dueHtml(row, 40_000), "1:00 left");
  assert.match(dueHtml(row, 140_000), /▲ \+0:40/);
  assert.equal(dueHtml({ ...row, state: "closed" }, 40_000), "");
  assert.equal(handledBy(row), "Acked &#60;wang&#62;");
  state.desk.refused.set("a", { act: "acknowledge", who: "<wang>", atNs: "1000000000", detail: "" });
  assert.match(noteParts(state, "a", true, state.desk.of("a"))[0]!, /&#60;wang&#62;/);
  assert.equal(refusalText(state, "a"), "<wang> was first: acknowledged at 1970-01-01 08:00:01");
  assert.match(noteParts(state, "a", false, row).join(" · "), /was first.*▲ escalated 1: late to ack/);
});

test("a loss says its codes as words, and sentences of the centre as they are", () => {
  setLang("zh");
  assert.equal(lossDetail({ kind: "rsu", detail: "off" }), "离线");
  assert.equal(lossDetail({ kind: "radar", detail: "silent" }), "无数据");
  assert.equal(lossDetail({ kind: "clock", detail: "time_zone +28800.0 s" }), "时区错误 +28800.0 s");
  assert.equal(lossDetail({ kind: "database", detail: "no space left" }), "no space left");
  setLang("en");
});

test("a dialog is accepted only with what it asks for", () => {
  setLang("en");
  const none = { reason: null, text: null, plate: null, to: null, scope: [], hours: 1, whole: false };
  const base = { title: "", about: "" };
  const required = { label: "", required: true };
  assert.equal(whatIsMissing({ ...base, reasons: [] }, none)[0], "choose a reason");
  assert.equal(whatIsMissing({ ...base, reasons: [] }, { ...none, reason: "x" })[0], "");
  assert.equal(whatIsMissing({ ...base, text: required }, none)[0], "fill this in");
  assert.equal(whatIsMissing({ ...base, text: required }, { ...none, text: "x".repeat(501) })[0], "too long: 500 at most");
  assert.equal(whatIsMissing({ ...base, plate: "" }, none)[0], "fill this in");
  assert.equal(whatIsMissing({ ...base, scope: [] }, none)[0], "choose at least one");
  assert.equal(whatIsMissing({ ...base, users: [] }, none)[0], "fill this in");
  assert.equal(whatIsMissing({ ...base, text: { label: "", required: false } }, none)[0], "");
});

test("a flood is grouped by vehicle, kilometre and rule, the largest group first, with its newest alarm", () => {
  const vehicle = (plate: string): Episode["vehicle"] => ({ plate, terminal: null, hazmat_class: null, un: null, carrier: null });
  const rows = [
    episode("a", 1, { vehicle: vehicle("A1"), s_m: 2_010 }), episode("b", 2, { vehicle: vehicle("A1"), s_m: 2_990, rule: "overspeed" }),
    episode("c", 3, { s_m: 5_000 }),
  ];
  assert.deepEqual(grouped(rows, "vehicle"), [{ key: "A1", n: 2, id: "b" }, { key: "", n: 1, id: "c" }]);
  assert.equal(fitting(["辽L·A1234 12", "辽L·A1235 3", "辽L·A1236 1"], 320), 2, "beside how many others there are");
  assert.equal(fitting(["K2 1", "K5 1"], 320), 2);
  assert.deepEqual(grouped(rows, "place"), [{ key: "K2", n: 2, id: "b" }, { key: "K5", n: 1, id: "c" }]);
  assert.deepEqual(grouped(rows, "rule"), [{ key: "lane_departure", n: 2, id: "c" }, { key: "overspeed", n: 1, id: "b" }]);
});

test("an alarm offers its plate, rule, RSU and stretch to the shelf; what it has not, it does not offer", () => {
  const state = deskOf(episode("a", 1, { s_m: 1_000.4 }));
  state.desk.putLoss(loss(1));
  assert.deepEqual(scopesOf(state, "a").map((x) => x.body), [{ rule: "lane_departure" }, { esn: "A" }, { from_m: 750, to_m: 1_250 }]);
  assert.deepEqual(scopesOf(state, "loss-1").map((x) => x.body), [{ esn: "RSU22" }, { rule: "rsu" }]);
  state.desk.putLoss({ ...loss(2), kind: "radar", part: "RSU22/R1" });
  assert.deepEqual(scopesOf(state, "loss-2").map((x) => [x.body, x.on]), [
    [{ esn: "RSU22" }, false], [{ esn: "RSU22/R1" }, true], [{ rule: "radar" }, true],
  ]);
  setMe({ name: "li", display: "", role: "supervisor", rights: ["look", "shelve"], csrf: "", desk: "", accounts: true, demo: false });
  assert.equal(shelfHindrance(state, "loss-2"), null);
  state.desk.putLoss({ ...loss(3), kind: "broker", part: "broker" });
  assert.equal(shelfHindrance(state, "loss-3"), "shelfNever"); // the button says so before it is pressed
  const shelf = { n: 1, plate: null, esn: "RSU22/R1", rule: "radar", from_m: null, to_m: null } as Shelf;
  setLang("en");
  assert.equal(shelfWords(shelf), `${lossName({ kind: "radar" })} · RSU22/R1`);
  assert.deepEqual(scopesOf(state, null), []);
});

test("an exercise is begun and ended by an instructor only, and is marked before the desk has its rows", () => {
  setLang("en");
  const made = episode("exercise-4", 1);
  const state = deskOf(made);
  state.desk.scripts = [{ name: "x", zh: "甲", en: "a <wreck>", alarms: 2, lasts_s: 50 }];
  assert.equal(exerciseBanner(state), "");
  assert.equal(exerciseHindrance(state, "begin"), "supervisorOnly");
  assert.match(exerciseHtml(state), /data-exercise="begin" aria-disabled="true" title="for a supervisor"/);
  assert.match(chipHtml(state, "exercise-4", untouched("exercise-4"), made), /EXERCISE/);
  setMe({ name: "li", display: "", role: "supervisor", rights: ["look", "exercise"], csrf: "", desk: "", accounts: true, demo: false });
  assert.deepEqual([exerciseHindrance(state, "begin"), exerciseHindrance(state, "end")], [null, "exNone"]);
  state.desk.putRunning({ script: "x", user: "wang", until_ns: "1790000000000000000" });
  assert.deepEqual([exerciseHindrance(state, "begin"), exerciseHindrance(state, "end")], ["exRuns", null]);
  assert.match(exerciseBanner(state), /EXERCISE<\/b>: a &#60;wreck&#62; · wang · until (\S+ )?\d\d:/);
  state.connection = "disconnected";
  assert.equal(exerciseHindrance(state, "end"), "noLink");
});

test("the sheet names who has an alarm: not who only corrected one, nobody for what is shelved, which waits for nobody", () => {
  setLang("en");
  const state = deskOf(episode("a", 1), episode("b", 2), episode("c", 3), episode("d", 4));
  const sheet = {
    since_ns: "1000000000", now_ns: "2000000000",
    acknowledged: [handled("c", "acknowledged", { user: "wang" })],
    new: [handled("a", "new", { user: "ola", plate: "X1" }), handled("b", "new", { shelf: 7 })],
    handled: [handled("d", "handled", { user: "ola", assigned: "li" })], escalated: [], closed: [handled("z", "closed")],
    n_open: 4, n_closed: 612,
    about: { z: { vehicle: "辽L·Z9", rule: "overspeed", esn: "A", s_m: 12_300 } }, notes: [], shelves: [], losses: [],
    shift: { on_duty: [], last: null }, health: {},
  };
  assert.match(sheetCsv(sheet, state), /^Not closed,.*\r\nPriority,raised,/, "its times are the alarms': a violation began earlier");
  const rows = sheetCsv(sheet, state).split("\r\n").slice(2, 6).map((line) => line.split(",").slice(5, 7));
  assert.deepEqual(rows, [["Not acked", "—"], ["shelved (no. 7)", "—"], ["Acked", "wang"], ["In hand", "li"]]);
  const page = sheetHtml(sheet, state);
  assert.match(page, /辽L·Z9<.*Overspeed.*K12\+300/, "what the page does not hold has its name by the sheet");
  assert.match(page, /Closed since <span class="dim">▲ the first 1 of 612</);
  assert.match(page, /Unacknowledged <b>1<\/b> · Shelved <b>1<\/b> · In hand <b>1<\/b>/);
});

test("a screen reader calls a record no closed alarm, and an alarm by its state", () => {
  setLang("en");
  const state = deskOf(episode("a", 1), episode("r", 2, { grade: "undecidable", grade_max: "undecidable", open: false }));
  state.desk.loaded = true;
  state.desk.put(handled("a", "new"));
  assert.equal(rowLabel(state, "a", "辽L·A1", "Lane departure"), "Not acked · 辽L·A1 · Lane departure · Open");
  assert.equal(rowLabel(state, "r", "辽L·A1", "Lane departure"), "Logged · 辽L·A1 · Lane departure");
});

test("who comes back reads since when he was away: hidden, closed, or with nobody at a visible page", () => {
  const [second, minute] = [1_000, 60_000];
  const hidden = new Absence(0);
  assert.equal(hidden.look(59 * second, 59 * second), null);
  assert.equal(hidden.look(20 * minute, 20 * minute), 59 * second, "nothing looked while it was hidden");
  assert.equal(hidden.look(20 * minute + 500, 20 * minute), null, "once");
  const idle = new Absence(0);
  let found: (number | null)[] = [];
  for (let ms = second; ms < 20 * minute; ms += second) found.push(idle.look(ms, Math.min(ms, 5 * second)));
  assert.ok(found.every((x) => x === null), "nobody is there to read it");
  assert.equal(idle.look(20 * minute, 20 * minute), 5 * second, "since the last key: he may have left right then");
  found = [];
  for (let ms = 20 * minute; ms < 29 * minute; ms += second) found.push(idle.look(ms, 20 * minute)); // he watches
  found.push(idle.look(29 * minute, 29 * minute));
  assert.ok(found.every((x) => x === null));
  assert.equal(new Absence(NaN).look(minute, minute), null);
});
