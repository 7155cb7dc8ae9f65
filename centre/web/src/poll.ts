/** Asks the centre for the same thing again and again while it is shown: one request at a time. */

export class Poll<T> {
  /** The newest answer; null before the first. */
  found: T | null = null;
  /** Whether the last request failed; it is made again when it is due. */
  failed = false;
  private asking = false;
  private askedAt = -Infinity;
  private readonly eachMs: number;
  private readonly fetchIt: () => Promise<T>;

  constructor(eachMs: number, fetchIt: () => Promise<T>) {
    this.eachMs = eachMs;
    this.fetchIt = fetchIt;
  }

  /** Ask if it is due at `now` (performance.now()); call it with each drawing. */
  look(now: number): void {
    if (!this.asking && now - this.askedAt > this.eachMs) void this.ask();
  }

  /** Let the next `look` ask. */
  renew(): void {
    this.askedAt = -Infinity;
  }

  private async ask(): Promise<void> {
    this.asking = true;
    this.askedAt = Infinity; // unless it is renewed meanwhile: then what is under way may be old already
    try {
      this.found = await this.fetchIt();
      this.failed = false;
    } catch (error) {
      console.warn(error);
      this.failed = true;
    } finally {
      if (this.askedAt === Infinity) this.askedAt = performance.now();
      this.asking = false;
    }
  }
}
