import assert from "node:assert/strict";
import { test } from "node:test";
import { Lease, LEASE_MS } from "../src/desk/lease.ts";
import { BEEPS, MUTE_MS, PERIOD_MS, Repeater, silentMs, soundsByDefault, soundState, TONES, toneOf } from "../src/desk/sound.ts";
import type { SoundFacts, Tone } from "../src/desk/sound.ts";

const waits = (violation = 0, warning = 0, loss = 0): Record<Tone, number> => ({ violation, warning, loss });

test("only the most urgent of what waits sounds", () => {
  assert.equal(toneOf(waits()), null);
  assert.equal(toneOf(waits(0, 2, 1)), "warning");
  assert.equal(toneOf(waits(1, 2, 1)), "violation");
  assert.equal(toneOf(waits(0, 0, 1)), "loss");
});

test("it sounds at once, repeats until acknowledged, and sounds again at once when something more urgent comes", () => {
  const ring = new Repeater();
  const heard: string[] = [];
  const at = (ms: number, n: ReturnType<typeof waits>): void => {
    const tone = ring.due(n, ms);
    if (tone !== null) heard.push(`${ms} ${tone}`);
  };
  at(0, waits());
  at(250, waits(0, 1));
  for (let ms = 500; ms <= 5_500; ms += 250) at(ms, waits(0, 1)); // it is not acknowledged
  at(5_750, waits(1, 1)); // its grade rose, or another came
  for (let ms = 6_000; ms <= 8_500; ms += 250) at(ms, waits(1, 1));
  at(8_750, waits(0, 1)); // the violation is acknowledged, the warning is not
  at(10_750, waits(0, 1));
  at(11_000, waits());
  at(20_000, waits());
  at(20_250, waits(0, 0, 1));
  assert.deepEqual(heard, ["250 warning", "5250 warning", "5750 violation", "8250 violation", "20250 loss"]);
});

test("a further alarm of the same grade sounds at once, but a flood does not stutter", () => {
  const ring = new Repeater();
  assert.equal(ring.due(waits(1), 0), "violation");
  assert.equal(ring.due(waits(2), 300), null);
  assert.equal(ring.due(waits(2), 1_000), "violation", "the second one, as soon as the first sequence is over");
  assert.equal(ring.due(waits(2), 1_250), null);
  let n = 0;
  for (let ms = 2_000; ms < 12_000; ms += 50) if (ring.due(waits(3 + ms / 50), ms) !== null) n++;
  assert.ok(n >= 9 && n <= 11, `200 alarms in 10 s: ${n} sequences`);
});

test("after a silence the next sequence begins at once", () => {
  const ring = new Repeater();
  assert.equal(ring.due(waits(1), 0), "violation");
  ring.reset();
  assert.equal(ring.due(waits(1), 100), "violation");
});

test("the header says what hinders the sound, the first reason first", () => {
  const free: SoundFacts = { wanted: true, able: true, allowed: true, leads: true, mutedMs: 0, tone: null };
  const rows: [Partial<SoundFacts>, string][] = [
    [{}, "ready"], [{ tone: "loss" }, "rings"], [{ wanted: false, allowed: false }, "off"], [{ able: false }, "none"],
    [{ allowed: false, tone: "violation" }, "ask"], [{ leads: false, tone: "violation" }, "other"],
    [{ mutedMs: 1, tone: "violation" }, "muted"],
  ];
  for (const [more, want] of rows) assert.equal(soundState({ ...free, ...more }), want, JSON.stringify(more));
  assert.deepEqual(["viewer", "auditor", "operator", "supervisor", "administrator"].map(soundsByDefault), [false, false, true, true, true]);
});

test("the more urgent a tone, the shorter its pause; no sequence is longer than its pause", () => {
  for (const [i, tone] of TONES.entries()) {
    const end = Math.max(...BEEPS[tone].map(([, at, length]) => at + length)) * 1_000;
    assert.ok(end < PERIOD_MS[tone] / 2, tone);
    if (i > 0) assert.ok(PERIOD_MS[tone] > PERIOD_MS[TONES[i - 1]!]);
  }
});

test("without locks, too, one window of a browser leads, and another takes over where it closes, hangs, or the clock is set back", () => {
  const held = new Map<string, string>();
  const store = {
    getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, value: string) => void held.set(key, value),
    removeItem: (key: string) => void held.delete(key),
  };
  const [a, b, c] = [new Lease(store, "a"), new Lease(store, "b"), new Lease(store, "c")];
  let now = 1_000_000;
  const round = (...windows: Lease[]): boolean[] => {
    now += 250;
    return windows.map((x) => x.leads(now));
  };
  round(a, b);
  for (let n = 0; n < 40; n++) assert.deepEqual(round(b, a, c), [false, true, false]);
  a.end(); // closed
  round(b, c);
  assert.deepEqual(round(b, c), [true, false]);
  now += LEASE_MS; // b hangs
  round(c);
  assert.deepEqual(round(c, b), [true, false], "it wakes up and does not lead any more");
  now -= 3_600_000;
  round(b, c);
  assert.deepEqual(round(b, c), [true, false]);
  c.end(); // who does not lead takes nothing away
  assert.deepEqual(round(b), [true]);
});

test("of windows that a browser calls once a minute, each at its own second, one leads", () => {
  const held = new Map<string, string>();
  const store = {
    getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, value: string) => void held.set(key, value),
    removeItem: (key: string) => void held.delete(key),
  };
  const [a, b] = [new Lease(store, "a"), new Lease(store, "b")];
  for (const now of [0, 250, 500]) {
    a.leads(now);
    b.leads(now + 10);
  }
  for (let now = 60_000; now < 600_000; now += 60_000) assert.ok([a.leads(now), b.leads(now + 30_000)].includes(true), "silence");
  assert.deepEqual([a.leads(600_000), b.leads(600_000), a.leads(600_250)], [true, false, true]);
});

test("two windows that claim at one moment do not both lead", () => {
  let value: string | null = null;
  const stale = {
    getItem: (): string | null => null, setItem: (_: string, next: string) => void (value = next), removeItem: () => undefined,
  };
  const a = new Lease(stale, "a");
  assert.equal(a.leads(0), false, "it has not seen yet who wrote last");
  assert.ok(value);
});

test("silence lasts a minute at most, also where the browser's clock is set back meanwhile", () => {
  const untilMs = 1_000_000 + MUTE_MS;
  assert.deepEqual([1_000_000, 1_000_000 + 20_000, untilMs + 1].map((nowMs) => silentMs(untilMs, nowMs)), [MUTE_MS, 40_000, 0]);
  assert.equal(silentMs(untilMs, 1_000_000 - 3_600_000), 0, "an hour of silence nobody asked for");
});
