/** Draws at once what was asked for, but leaves time between drawings: a flood of alarms must not stop the page. */

const PAUSE_MS = 40; // at least, between two drawings
const SHARE = 3; // of each drawing's cost, left free after it

export class Prompt {
  private freeAt = -Infinity;
  private timer = 0;
  private readonly draw: () => void;

  constructor(draw: () => void) {
    this.draw = draw;
  }

  /** Draw now, or as soon as the last drawing has left its pause. */
  ask(): void {
    if (this.timer !== 0) return;
    const waitMs = this.freeAt - performance.now();
    if (waitMs > 0) this.timer = window.setTimeout(() => this.run(), waitMs);
    else this.run();
  }

  private run(): void {
    this.timer = 0;
    const begun = performance.now();
    this.draw();
    const now = performance.now();
    this.freeAt = now + Math.max(PAUSE_MS, SHARE * (now - begun));
  }
}
