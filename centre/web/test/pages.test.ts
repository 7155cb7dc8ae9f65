import assert from "node:assert/strict";
import { test } from "node:test";
import type { Episode } from "../src/api.ts";
import { PAGE_ROWS } from "../src/order.ts";
import { Pages } from "../src/pages.ts";
import { episode } from "./samples.ts";

/** A centre with ended alarms numbered from 1 that answers as the API does. */
function centre(): (path: string) => Promise<{ items: Episode[]; next: number | null }> {
  return (path) => {
    const query = new URLSearchParams(path.split("?")[1]);
    assert.deepEqual([query.get("kind"), query.get("state")], ["alarm", "closed"]);
    const from = Number(query.get("before")) - 1;
    const items = Array.from(
      { length: Math.min(from, Number(query.get("limit"))) }, (_, i) => episode(`e${from - i}`, from - i, { open: false }),
    );
    const last = items.at(-1)?.order ?? 1;
    return Promise.resolve({ items, next: last > 1 ? last : null });
  };
}

test("paging reaches every ended episode once, and leads back", async () => {
  const n = 3 * PAGE_ROWS + 39;
  const pages = new Pages(centre());
  const seen: string[] = [];
  let last = n - PAGE_ROWS + 1; // the newest page is the list's own
  while (pages.atEnd("secClosed") !== true) {
    await pages.older("secClosed", last, (items) => seen.push(...items.map((x) => x.id)));
    last -= pages.current().get("secClosed")!.length;
  }
  assert.deepEqual(seen, Array.from({ length: n - PAGE_ROWS }, (_, i) => `e${n - PAGE_ROWS - i}`));
  assert.equal(pages.skipped("secClosed"), 3 * PAGE_ROWS);
  for (let i = 0; i < 3; i++) pages.newer("secClosed");
  assert.deepEqual([pages.current().size, pages.atEnd("secClosed")], [0, null]);
});

test("without an answer of the centre no page is turned", async () => {
  const pages = new Pages(() => Promise.reject(new Error("gone")));
  const warn = console.warn;
  console.warn = () => undefined;
  assert.equal(await pages.older("secClosed", 5, () => assert.fail()), false);
  console.warn = warn;
  assert.equal(pages.current().size, 0);
});
