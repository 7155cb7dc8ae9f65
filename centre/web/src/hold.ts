/** Keeps an order unchanged while the pointer is on it, but not for long: a parked pointer must not hide new rows. Pure. */

export const HOLD_MS = 15_000;

export class Hold {
  private sinceMs = NaN;
  private spent = false;

  /** The pointer or the keyboard focus has entered. */
  begin(nowMs: number): void {
    if (Number.isNaN(this.sinceMs)) this.sinceMs = nowMs;
  }

  /** The pointer has moved: after the longest hold it starts a new one, in the present order. */
  stir(nowMs: number): void {
    if (!this.spent) return;
    this.sinceMs = nowMs;
    this.spent = false;
  }

  /** The pointer has left, or the user asked for the new rows. */
  end(): void {
    this.sinceMs = NaN;
    this.spent = false;
  }

  holds(nowMs: number): boolean {
    if (Number.isNaN(this.sinceMs) || this.spent) return false;
    this.spent = nowMs - this.sinceMs >= HOLD_MS;
    return !this.spent;
  }
}
