/** Says when to draw: at the screen's rate where a graphics card draws, seldom enough to leave time where the processor does. */

const FRAME_MS = 30; // with a card: motion is smooth, and half of a 60 Hz screen's frames are saved
const SOFT_FRAME_MS = 100; // without: each frame is the processor's work
const SOFT_FRAME_MS_MAX = 700;
const SOFT_SHARE = 0.35; // of the time that drawing may take there, so that clicks find an idle page

export class Pace {
  private costMs = 0;
  private readonly draw: (now: number) => void;
  private last = 0;

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

  /** Between two drawings no frame is asked for at all: even an empty one costs. */
  private softFrame(now: number): void {
    const begun = performance.now();
    this.draw(now);
    requestAnimationFrame(() => {
      const costMs = performance.now() - begun; // until the next frame could begin: painted and put on the screen
      this.costMs = this.costMs === 0 ? costMs : 0.7 * this.costMs + 0.3 * costMs;
      const periodMs = Math.min(SOFT_FRAME_MS_MAX, Math.max(SOFT_FRAME_MS, this.costMs / SOFT_SHARE));
      setTimeout(() => requestAnimationFrame((next) => this.softFrame(next)), Math.max(10, periodMs - costMs));
    });
  }
}
