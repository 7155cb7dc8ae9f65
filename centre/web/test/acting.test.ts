import assert from "node:assert/strict";
import { test } from "node:test";
import { setMe } from "../src/accounts/me.ts";
import { Acting } from "../src/desk/acting.ts";
import type { Answer } from "../src/desk/dialog.ts";
import { untouched } from "../src/desk/model.ts";
import { State } from "../src/state.ts";
import { setLang } from "../src/words.ts";
import { episode } from "./samples.ts";

const LEFT: Answer = { reason: "dealt_with", text: null, plate: null, to: null, scope: [], hours: 1, whole: false };

function seated(): State {
  const state = new State();
  state.put(episode("a", 1));
  state.connection = "live";
  state.desk.put({ ...untouched("a"), version: 3 });
  setMe({
    name: "li", display: "", role: "operator", rights: ["look", "handle"], csrf: "token", desk: "", accounts: true, demo: false,
  });
  return state;
}

test("an act names the version that the person saw when it began, and a refusal says who was first", async () => {
  setLang("en");
  const state = seated();
  const said: string[] = [];
  const sent: { path: string; body: Record<string, unknown> }[] = [];
  const theirs = { ...untouched("a", "handled"), user: "<wang>", version: 4 };
  globalThis.fetch = (path, init) => {
    sent.push({ path: String(path), body: JSON.parse(String(init?.body)) as Record<string, unknown> });
    const extra = { handling: theirs, by: "<wang>", at_ns: "1000000000" };
    return Promise.resolve(new Response(JSON.stringify({ status: 409, detail: "first", extra }), { status: 409 }));
  };
  const dialog = {
    ask: () => {
      state.desk.put(theirs); // somebody else acts while the dialog is open
      return Promise.resolve(LEFT);
    },
  };
  const notice = { say: (text: string) => void said.push(text), clear: () => undefined };
  await new Acting(state, dialog, notice, { changed: () => undefined, stirred: () => undefined }).begin("close", "a");
  assert.equal(sent[0]!.path, "/api/alarms/a/acts");
  assert.equal(sent[0]!.body["version"], 3);
  assert.deepEqual(said, ["<wang> was first: took it in hand at 1970-01-01 08:00:01"]);
  assert.equal(state.desk.pending.size, 0);
});
