import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScheduler } from "../src/schedule.ts";

const pause = (waitMs: number): Promise<void> => new Promise((done) => setTimeout(done, waitMs));

test("without a graphics card one frame is requested for each drawing, none to measure what it cost", async () => {
  const asked: ((now: number) => void)[] = [];
  const channels: MessageChannel[] = [];
  const page = globalThis as unknown as { requestAnimationFrame?: (draw: (now: number) => void) => void };
  const Native = globalThis.MessageChannel;
  page.requestAnimationFrame = (draw) => void asked.push(draw);
  globalThis.MessageChannel = class extends Native {
    constructor() {
      super();
      channels.push(this);
    }
  };
  try {
    let drawings = 0;
    new FrameScheduler(true, () => drawings++);
    for (const wanted of [1, 2]) {
      for (let waited = 0; asked.length === 0 && waited < 500; waited++) await pause(10);
      assert.equal(asked.length, 1);
      asked.shift()!(performance.now());
      assert.equal(drawings, wanted);
      assert.equal(asked.length, 0, "the next one is requested after a pause");
    }
  } finally {
    for (const { port1 } of channels) port1.close(); // else this process never ends
    globalThis.MessageChannel = Native;
  }
});
