import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Events, parseEvent, Tracks } from "../src/streams.ts";
import type { StreamHandlers } from "../src/streams.ts";

/** A WebSocket that the test opens, feeds and breaks. */
class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = FakeSocket.OPEN;
  readonly sent: string[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onopen: (() => void) | null = null;
  closed = false;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  close(): void {
    this.closed = true;
  }

  send(text: string): void {
    this.sent.push(text);
  }
}

const globals = globalThis as unknown as Record<string, unknown>;
globals["WebSocket"] = FakeSocket;
globals["location"] = { origin: "http://localhost:8080" };
globals["window"] = globalThis;

let heard: string[] = [];
const note = (kind: string) => (body: unknown) => void heard.push(`${kind} ${JSON.stringify(body)}`);
const handlers = Object.fromEntries(
  ["violation", "rsu", "gateway", "rsus", "summary", "other", "reset", "frame", "lost"].map((kind) => [kind, note(kind)])
) as unknown as StreamHandlers;
const last = (): FakeSocket => FakeSocket.all.at(-1)!;

beforeEach(() => {
  FakeSocket.all = [];
  heard = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("an event is read from its lines, whatever its data holds", () => {
  assert.deepEqual(
    parseEvent('id: 7\nevent: violation\ndata: {"plate":"a: b","id":"x"}\n\n'),
    { id: "7", kind: "violation", body: { plate: "a: b", id: "x" } },
  );
  assert.deepEqual(parseEvent("event: summary\nretry: 5\n: a comment\ndata: 1\n\n"), { id: "", kind: "summary", body: 1 });
});

test("the stream is resumed after the last change that arrived, not after a state", () => {
  const events = new Events(3, handlers);
  assert.equal(last().url, "ws://localhost:8080/api/stream?after=3");
  last().onmessage!({ data: 'id: 4\nevent: violation\ndata: {"id":"a"}\n\n' });
  last().onmessage!({ data: 'event: summary\ndata: {"cursor":9}\n\n' });
  last().onclose!();
  assert.ok(events.waiting);
  mock.timers.tick(10_000);
  assert.equal(last().url, "ws://localhost:8080/api/stream?after=4");
  assert.deepEqual(heard.slice(0, 2), ['violation {"id":"a"}', 'summary {"cursor":9}']);
  assert.equal(FakeSocket.all.length, 2);
});

test("messages of an abandoned connection are ignored: they would be applied twice", () => {
  const events = new Events(3, handlers);
  const first = last();
  events.retry();
  assert.ok(first.closed);
  first.onmessage!({ data: 'id: 4\nevent: violation\ndata: {"id":"a"}\n\n' });
  first.onclose!();
  mock.timers.tick(10_000);
  assert.deepEqual(heard, []);
  assert.equal(FakeSocket.all.length, 2, "the old one's end opens no third");
});

test("a refused connection is tried again, ever more slowly, at most each 6.25 s", () => {
  new Events(3, handlers);
  for (let i = 0; i < 8; i++) {
    last().onclose!();
    mock.timers.tick(6_250);
    assert.equal(FakeSocket.all.length, i + 2);
  }
  assert.equal(heard.length, 8);
});

test("an unknown event is ignored: a newer centre may send more", () => {
  new Events(3, handlers);
  last().onmessage!({ data: "id: 5\nevent: handling\ndata: {}\n\n" });
  last().onclose!();
  mock.timers.tick(10_000);
  assert.match(last().url, /after=5$/);
});

test("what was drawn is reported once, after its frame; a hidden tab and a lost stream report nothing", () => {
  const page = { hidden: false };
  globals["document"] = page;
  globals["requestAnimationFrame"] = (draw: () => void) => setTimeout(draw, 16);
  const events = new Events(3, handlers);
  const arrive = (id: number): void => last().onmessage!({ data: `id: ${id}\nevent: violation\ndata: {"id":"a"}\n\n` });
  arrive(4);
  arrive(5);
  last().onmessage!({ data: 'id: 6\nevent: rsu\ndata: {"esn":"R"}\n\n' });
  assert.deepEqual(last().sent, []);
  events.drawn();
  assert.deepEqual(last().sent, [], "the frame is not on the screen yet");
  mock.timers.tick(20);
  assert.deepEqual(last().sent, ['{"shown":[4,5]}']);
  events.drawn();
  mock.timers.tick(20);
  assert.equal(last().sent.length, 1);
  page.hidden = true;
  arrive(7);
  events.drawn();
  page.hidden = false;
  events.drawn();
  mock.timers.tick(20);
  assert.equal(last().sent.length, 1, "nobody saw it");
  arrive(8);
  const lost = last();
  events.drawn();
  events.retry();
  mock.timers.tick(20);
  assert.equal(lost.sent.length, 1);
});

test("the centre learns which stretches are looked at: when the stream opens, and when they change", () => {
  const tracks = new Tracks(handlers);
  const first = last();
  first.readyState = 0;
  tracks.look([[0, 5_000]]);
  assert.deepEqual(first.sent, [], "not before it is open");
  first.readyState = FakeSocket.OPEN;
  first.onopen!();
  tracks.look([[0, 5_000]]);
  assert.deepEqual(first.sent, ['{"view":[[0,5000]]}']);
  tracks.look([[0, 5_000], [9_800, 10_200]]);
  assert.equal(first.sent.length, 2);
  first.onclose!();
  mock.timers.tick(1_000);
  assert.notEqual(last(), first);
  last().onopen!();
  assert.deepEqual(last().sent, ['{"view":[[0,5000],[9800,10200]]}']);
});
