/** When somebody was last at this page: who comes back reads what happened since. Pure. */

export const AWAY_MS = 60_000; // hidden or closed for longer: nobody saw it
export const IDLE_MS = 600_000; // without a key or the pointer for so long: nobody was there, though the page was visible

export class Absence {
  private seen: number;

  /** `seenMs`: when somebody was last here, as an earlier page of this browser kept it; NaN: unknown. */
  constructor(seenMs: number) {
    this.seen = seenMs;
  }

  /** When somebody was last here [ms]; NaN: never. */
  get seenMs(): number {
    return this.seen;
  }

  /** The page is visible; `inputMs`: the last key or move of the pointer. Returns since when he was away who is here again, else null. */
  look(nowMs: number, inputMs: number): number | null {
    if (nowMs - inputMs >= IDLE_MS) {
      if (!(this.seen < inputMs)) this.seen = inputMs; // he may have left right after it
      return null;
    }
    const sinceMs = this.seen;
    this.seen = nowMs;
    return nowMs - sinceMs > AWAY_MS ? sinceMs : null;
  }
}
