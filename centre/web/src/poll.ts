/** Asks the centre for the same thing again and again while it is shown: one request at a time. */

import { Refused } from "./api.ts";

const RETRY_MS = 5_000;

export class Poll<T> {
  /** The newest answer; null before the first. */
  found: T | null = null;
  /** Why the last request failed, null where it did not; it is made again when it is due. */
  fault: unknown = null;
  private asking = false;
  private dueAt = -Infinity; // performance.now()
  private readonly eachMs: number;
  private readonly fetchIt: () => Promise<T>;
  private readonly answered: () => void;

  /**
   * `eachMs`: Infinity asks once, and again where it is renewed or the centre could not be reached.
   * `answered` is called after each request, for what is not to wait for the next drawing.
   */
  constructor(eachMs: number, fetchIt: () => Promise<T>, answered: () => void = () => undefined) {
    this.eachMs = eachMs;
    this.fetchIt = fetchIt;
    this.answered = answered;
  }

  get failed(): boolean {
    return this.fault !== null;
  }

  /** Ask if it is due at `now` (performance.now()); call it with each drawing. */
  look(now: number): void {
    if (!this.asking && now > this.dueAt) void this.ask();
  }

  /** Let the next `look` ask. */
  renew(): void {
    this.dueAt = -Infinity;
  }

  private async ask(): Promise<void> {
    this.asking = true;
    let againMs = this.eachMs;
    this.dueAt = Infinity; // unless it is renewed meanwhile: then what is under way may be old already
    try {
      this.found = await this.fetchIt();
      this.fault = null;
    } catch (error) {
      console.warn(error);
      this.fault = error;
      const refused = error instanceof Refused && error.status < 500; // and would be again
      if (!refused) againMs = Math.min(againMs, RETRY_MS);
    } finally {
      if (this.dueAt === Infinity) this.dueAt = performance.now() + againMs;
      this.asking = false;
    }
    this.answered();
  }
}
