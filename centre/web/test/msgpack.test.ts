import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../src/msgpack.ts";
import { pack } from "./samples.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g)!.map((x) => parseInt(x, 16)));

// bytes as the MessagePack specification lays them out, one row per form
const FORMS: readonly [string, unknown][] = [
  ["7f", 127], ["e0", -32], ["c0", null], ["c2", false], ["c3", true],
  ["cc80", 128], ["cd0100", 256], ["ce00010000", 65_536], ["cf0020000000000000", 9007199254740992n], // beyond 2^53: a bigint
  ["cf001fffffffffffff", 9007199254740991], ["cf0000000100000000", 4_294_967_296],
  ["d0df", -33], ["d1ff7f", -129], ["d2ffff7fff", -32_769], ["d3ffdfffffffffffff", -9007199254740993n],
  ["ca3f800000", 1], ["cb3ff8000000000000", 1.5],
  ["a3e58db1", "危"],
  ["a161", "a"], ["d90161", "a"], ["da000161", "a"], ["db0000000161", "a"],
  ["9201c0", [1, null]], ["dc000101", [1]], ["dd0000000101", [1]],
];

test("every form of the specification is read", () => {
  for (const [bytes, want] of FORMS) assert.deepEqual(decode(hex(bytes)), want, bytes);
});

test("maps and binary data are read, binary without copying", () => {
  const bytes = hex("82a161c4020102a162de0000");
  const map = decode(bytes) as Record<string, unknown>;
  assert.deepEqual(Object.keys(map), ["a", "b"]);
  assert.equal((map["a"] as Uint8Array).buffer, bytes.buffer);
});

test("a message that is cut short, too long or of an unknown type is refused", () => {
  const whole = pack({ a: [1, "x", new Uint8Array(3)], b: 1.5 });
  for (let n = 0; n < whole.length; n++) assert.throws(() => decode(whole.subarray(0, n)), RangeError, `${n} bytes`);
  assert.throws(() => decode(Uint8Array.from([...whole, 0])), RangeError);
  for (const bad of ["c1", "d4", "c7", "dd7fffffff", "df7fffffff"]) assert.throws(() => decode(hex(bad)), RangeError, bad);
  assert.throws(() => decode(new Uint8Array(100).fill(0x91)), RangeError); // nested without end
});
