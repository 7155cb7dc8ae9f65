/** Decides when the page draws: on each frame, in an interval, or at once. */

const FRAME_MS = 30; // with a graphics card: smooth motion at half the frames of a 60 Hz screen
const SOFT_FRAME_MS = 80; // without a graphics card the processor draws each frame
const SOFT_FRAME_MS_MAX = 700;
const SCREEN_MS = 17; // a frame begins so long after its request at most, unless the one before is still being painted
const SOFT_SHARE = 0.35; // of the time, at most, is spent on drawing there: the rest is left for clicks
const EARLY_MS = 5; // frames arrive slightly early or late
const PROMPT_PAUSE_MS = 40; // at least, between two drawings on request
const PROMPT_PAUSE_SHARE = 3; // pause per cost of the drawing before it

/** Runs a function once the frame that is being drawn is laid out and painted; unlike another frame, it costs nothing. */
class AfterPaint {
  private readonly channel = new MessageChannel();
  private next: (() => void) | null = null;

  constructor() {
    this.channel.port1.onmessage = () => {
      const { next } = this;
      this.next = null;
      next?.();
    };
  }

  /** Call it from within a frame. */
  run(next: () => void): void {
    this.next = next;
    this.channel.port2.postMessage(null);
  }
}

/** Draws at the screen's rate with a graphics card; without one it draws less often and leaves time for input. */
export class FrameScheduler {
  private costMs = 0;
  private readonly draw: (now: number) => void;
  private last = 0;
  private requestedAt = Infinity; // of the next frame
  private readonly painted = new AfterPaint();

  constructor(soft: boolean, draw: (now: number) => void) {
    this.draw = draw;
    requestAnimationFrame((now) => (soft ? this.softFrame(now) : this.frame(now)));
  }

  private frame(now: number): void {
    requestAnimationFrame((next) => this.frame(next));
    if (now - this.last < FRAME_MS - 4) return;
    this.last = now;
    this.draw(now);
  }

  /** Requests no frame between two drawings: even an empty frame costs time. */
  private softFrame(now: number): void {
    const begun = performance.now();
    const waitedMs = Math.max(0, begun - this.requestedAt - SCREEN_MS); // the frame before was still being painted
    this.draw(now);
    this.painted.run(() => {
      const costMs = waitedMs + performance.now() - begun;
      this.costMs = this.costMs === 0 ? costMs : 0.7 * this.costMs + 0.3 * costMs;
      const periodMs = Math.min(SOFT_FRAME_MS_MAX, Math.max(SOFT_FRAME_MS, this.costMs / SOFT_SHARE));
      setTimeout(() => {
        this.requestedAt = performance.now();
        requestAnimationFrame((next) => this.softFrame(next));
      }, Math.max(10, periodMs - costMs));
    });
  }
}

/** Draws on request at once, but pauses between two drawings: a flood of alarms must not block the page. */
export class PromptDrawing {
  private nextAt = -Infinity;
  private timer = 0;
  private readonly draw: () => void;

  constructor(draw: () => void) {
    this.draw = draw;
  }

  /** Draw now, or as soon as the pause after the last drawing has ended. */
  request(): void {
    if (this.timer !== 0) return;
    const waitMs = this.nextAt - performance.now();
    if (waitMs > 0) this.timer = window.setTimeout(() => this.run(), waitMs);
    else this.run();
  }

  private run(): void {
    this.timer = 0;
    const begun = performance.now();
    this.draw();
    const now = performance.now();
    this.nextAt = now + Math.max(PROMPT_PAUSE_MS, PROMPT_PAUSE_SHARE * (now - begun));
  }
}

/** Lets an action run at most once per period; `reset` makes it due at once. */
export class Interval {
  private lastMs = 0;
  private readonly periodMs: number;

  constructor(periodMs: number) {
    this.periodMs = periodMs;
  }

  /** Return whether the action is due at `now` [ms]; the next period then starts. */
  due(now: number): boolean {
    if (now - this.lastMs < this.periodMs - EARLY_MS) return false;
    this.lastMs = now;
    return true;
  }

  reset(): void {
    this.lastMs = 0;
  }
}
