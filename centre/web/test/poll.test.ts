import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused } from "../src/api.ts";
import { Poll } from "../src/poll.ts";

const settled = (): Promise<void> => new Promise((done) => setTimeout(done));

test("one request at a time; a failure keeps the last answer; a renewal during a request asks once more", async () => {
  const waiting: { give: (x: number) => void; fail: () => void }[] = [];
  let answers = 0;
  const ask = (): Promise<number> =>
    new Promise((give, no) => waiting.push({ give, fail: () => no(new Error("away")) }));
  const poll = new Poll(5_000, ask, () => answers++);
  const warn = console.warn;
  console.warn = () => undefined;
  const now = performance.now();
  poll.look(now);
  poll.look(now + 60_000);
  assert.equal(waiting.length, 1);
  waiting[0]!.give(1);
  await settled();
  assert.deepEqual([poll.found, poll.failed], [1, false]);
  poll.look(now + 1_000);
  assert.equal(waiting.length, 1, "it is not due");
  poll.look(now + 60_000);
  poll.renew();
  waiting[1]!.fail();
  await settled();
  assert.deepEqual([poll.found, poll.failed, (poll.fault as Error).message, answers], [1, true, "away", 2]);
  poll.look(performance.now());
  assert.equal(waiting.length, 3, "what was under way may have been old");
  console.warn = warn;
});

test("what is asked once is asked again only where it is renewed", async () => {
  let asked = 0;
  const poll = new Poll(Infinity, async () => ++asked);
  poll.look(0);
  await settled();
  poll.look(Number.MAX_VALUE);
  assert.equal(poll.found, 1);
  poll.renew();
  poll.look(0);
  await settled();
  assert.equal(poll.found, 2);
});

test("what is asked once is asked again where the centre was away, and not where it refused", async () => {
  const warn = console.warn;
  console.warn = () => undefined;
  const faults: Error[] = [new TypeError("Failed to fetch"), new Refused(400, { detail: "no such day" })];
  let asked = 0;
  const poll = new Poll(Infinity, async () => {
    asked++;
    const fault = faults.shift();
    if (fault !== undefined) throw fault;
    return "rows";
  });
  poll.look(0);
  await settled();
  poll.look(performance.now() + 1_000);
  await settled();
  assert.equal(asked, 1);
  poll.look(performance.now() + 6_000);
  await settled();
  assert.equal(asked, 2);
  poll.look(performance.now() + 60_000);
  await settled();
  assert.deepEqual([asked, poll.failed], [2, true]);
  console.warn = warn;
});
