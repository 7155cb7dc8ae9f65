/**
 * Puts histories of the feed through the page's own code, for tests/centre/test_open_page.py: reads a JSON list of
 * `{loaded, changes, fresh}` from its input, and prints where the rows of the page that stayed open differ from those of a fresh one.
 */

import { rankAll } from "../src/desk/alarms.ts";
import { arrange } from "../src/order.ts";
import { cellsHtml } from "../src/row.ts";
import { makeSite } from "../src/site.ts";
import { State } from "../src/state.ts";

const SITE = makeSite({
  name: "made up", title: { zh: "虚构", en: "made up" }, synthetic: true, origin: [122, 41], map_version: "1", rules_version: "1",
  length_m: 4_000, range_m: [0, 4_000], axis: null, lanes: [], rows: [], places: [], rsus: [], gateway: null, rules: {},
});

function pageOf(episodes) {
  const state = new State();
  state.site = SITE;
  state.connection = "live";
  state.nowMs = () => 1_790_000_100_000; // ages are of one moment
  for (const episode of episodes) state.put(episode);
  return state;
}

function rowsOf(state) {
  const { sections } = arrange(rankAll(state), null);
  const rows = sections.flatMap((x) => x.ids).map((id) => [id, ...cellsHtml(state, state.episodes.get(id))]);
  return { sections: sections.map((x) => [x.key, x.total, x.open, ...x.ids]), rows };
}

let text = "";
for await (const part of process.stdin) text += part;
const histories = JSON.parse(text);
const differing = [];
let changed = 0;
for (const { loaded, changes, fresh } of histories) {
  const before = JSON.stringify(rowsOf(pageOf(loaded)));
  const stayed = JSON.stringify(rowsOf(pageOf([...loaded, ...changes])));
  if (before !== stayed) changed++;
  const again = JSON.stringify(rowsOf(pageOf(fresh)));
  if (stayed !== again) differing.push({ stayed, again });
}
console.log(JSON.stringify({ n: histories.length, changed, differing }));
