import assert from "node:assert/strict";
import { test } from "node:test";
import { isTaken, onlyWhere } from "../src/input.ts";

const key = (more: object = {}, inside: string | null = null): KeyboardEvent => ({
  ctrlKey: false, metaKey: false, altKey: false, defaultPrevented: false,
  target: { closest: (selector: string) => (inside !== null && selector.includes(inside) ? {} : null) }, ...more,
}) as unknown as KeyboardEvent;

test("a key is somebody else's in a field or a dialog, with a modifier, and where a part has taken it", () => {
  assert.equal(isTaken(key()), false);
  assert.equal(isTaken(key({ target: {} })), false, "the window has no ancestors");
  for (const inside of ["input", "textarea", "select", "dialog"]) assert.equal(isTaken(key({}, inside)), true, inside);
  for (const open of [true, false]) {
    const target = { closest: (selector: string) => (/^dialog$|textarea/.test(selector) ? { open } : null) };
    assert.equal(isTaken(key({ target })), open, `the field of a dialog that is ${open ? "open" : "shut"}`);
  }
  for (const what of ["ctrlKey", "metaKey", "altKey", "defaultPrevented"]) assert.equal(isTaken(key({ [what]: true })), true, what);
});

test("the keys of a screen do nothing while another one is shown: nobody acts on what nobody sees", () => {
  let [shown, n] = [false, 0];
  const keys = onlyWhere(() => shown, { a: () => n++ });
  keys["a"]!();
  assert.equal(n, 0);
  shown = true;
  keys["a"]!();
  assert.equal(n, 1);
});
