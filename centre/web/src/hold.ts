/** Holds an order still while somebody points at it, but never for long: a parked pointer must not blind a list. Pure. */

export const HOLD_MS = 15_000;

export class Hold {
  private sinceMs = NaN;
  private spent = false;

  /** The pointer came, or keyboard focus. */
  begin(nowMs: number): void {
    if (Number.isNaN(this.sinceMs)) this.sinceMs = nowMs;
  }

  /** The pointer moved: one that had held for long enough holds again, in the order that there is now. */
  stir(nowMs: number): void {
    if (!this.spent) return;
    this.sinceMs = nowMs;
    this.spent = false;
  }

  /** The pointer left, or what is new was asked for. */
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
