import assert from "node:assert/strict";
import { test } from "node:test";
import { wallWindow, wallZoom } from "../src/access/wall.ts";
import type { Episode, SiteBody } from "../src/api.ts";
import { Announcer } from "../src/desk/announce.ts";
import { makeSite } from "../src/site.ts";
import { State } from "../src/state.ts";
import { kbd, keyName } from "../src/written.ts";
import { episode } from "./samples.ts";

const NOW_MS = 1_000_000;
const BODY: SiteBody = {
  name: "made up", title: { zh: "虚构", en: "made up" }, synthetic: true, origin: [122, 41], map_version: "1", rules_version: "1",
  length_m: 20_000, range_m: [0, 20_000], axis: null, lanes: [], rows: [], places: [], rsus: [], gateway: null, rules: {},
};

function alarm(id: string, order: number, plate: string, s_m = 7_000): Episode {
  const ns = String(NOW_MS * 1e6);
  return episode(id, order, {
    start_ns: ns, first_detected_ns: ns, first_sent_ns: ns, s_m, stamps: { measured_ns: ns, arrived_ns: ns },
    vehicle: { plate, terminal: null, hazmat_class: null, un: null, carrier: null },
  });
}

function live(): State {
  const state = new State();
  state.site = makeSite(BODY);
  state.connection = "live";
  state.setCentreTime(String((NOW_MS + 1_000) * 1_000_000), performance.now());
  return state;
}

test("a new alarm is said once, several in one line, none that were there before", () => {
  const el = { textContent: "" } as HTMLElement;
  const announcer = new Announcer(el);
  const state = live();
  state.desk.loaded = true;
  state.put(alarm("old", 1, "P0"));
  announcer.draw(state);
  assert.equal(el.textContent, "");
  state.put(alarm("a", 2, "辽L·<b>1"));
  announcer.draw(state);
  assert.match(el.textContent!, /辽L·<b>1, .*, K07\+000$/, "text, not HTML; with its place");
  state.put(alarm("b", 3, "P2"));
  state.put(alarm("c", 4, "P3"));
  announcer.draw(state);
  assert.match(el.textContent!, /P2.* \+1$/);
  const both = el.textContent;
  announcer.draw(state);
  assert.equal(el.textContent, both, "nothing new: nothing said again");
});

test("a lost connection is said, and its return", () => {
  const el = { textContent: "" } as HTMLElement;
  const announcer = new Announcer(el);
  const state = live();
  state.desk.loaded = true;
  announcer.draw(state);
  assert.equal(el.textContent, "", "that it is live when the page opens is no news");
  state.connection = "disconnected";
  announcer.draw(state);
  const lost = el.textContent;
  assert.notEqual(lost, "");
  state.connection = "stale";
  announcer.draw(state);
  assert.notEqual(el.textContent, lost);
});

test("a wall of 4K shows 13 px as 34, and a small window shows the same page smaller", () => {
  assert.ok(13 * wallZoom(3_840, 2_160) > 33);
  assert.ok(wallZoom(1_280, 720) < 1);
  assert.equal(wallZoom(3_840, 400), 0.5);
});

test("the wall's detail goes to the newest open alarm, and stays where that is well inside", () => {
  const state = live();
  assert.ok(Number.isNaN(wallWindow(state)), "nothing is open");
  state.put(alarm("a", 1, "P1", 7_000));
  assert.equal(wallWindow(state), 5_000);
  state.windowFrom = 5_000;
  assert.ok(Number.isNaN(wallWindow(state)));
  state.put(alarm("b", 2, "P2", 1_000));
  assert.equal(wallWindow(state), -1_000);
  state.put({ ...alarm("b", 2, "P2", 1_000), version: 2, versions: 2, open: false, phase: "close" });
  assert.ok(Number.isNaN(wallWindow(state)), "an ended one is no reason to look away");
});

test("the key of a button is no part of its name", () => {
  assert.match(kbd("A"), /^<kbd aria-hidden="true">A</);
  assert.deepEqual(["Esc", "←", "A"].map(keyName), ["Escape", "ArrowLeft", "A"], "as aria-keyshortcuts names them");
});
