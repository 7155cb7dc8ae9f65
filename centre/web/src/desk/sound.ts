/** Which sound is due, and when it is repeated. Pure: no clock, no audio. */

export type Tone = "violation" | "warning" | "loss";
/** The most urgent first: only that one sounds. */
export const TONES: readonly Tone[] = ["violation", "warning", "loss"];

/** Pause between two sequences of a tone [ms]: the more urgent, the shorter. */
export const PERIOD_MS: Readonly<Record<Tone, number>> = { violation: 2_500, warning: 5_000, loss: 8_000 };

/** Beeps of a tone: frequency [Hz], start and length [s] within the sequence. */
export const BEEPS: Readonly<Record<Tone, readonly (readonly [number, number, number])[]>> = {
  violation: [[988, 0, 0.12], [988, 0.18, 0.12], [988, 0.36, 0.12], [1319, 0.54, 0.22]],
  warning: [[784, 0, 0.16], [784, 0.26, 0.16]],
  loss: [[440, 0, 0.25], [330, 0.3, 0.35]],
};

export const MUTE_MS = 60_000;

/** How long silence lasts still; more than it can be says that the browser's clock was set back since. */
export function silentMs(untilMs: number, nowMs: number): number {
  const leftMs = untilMs - nowMs;
  return leftMs > MUTE_MS ? 0 : Math.max(0, leftMs);
}

/** What a person would hear: the tone of the most urgent alarm that nobody has acknowledged; null: none waits. */
export function toneOf(waiting: Readonly<Record<Tone, number>>): Tone | null {
  return TONES.find((tone) => waiting[tone] > 0) ?? null;
}

export type SoundState = "off" | "none" | "ask" | "other" | "muted" | "rings" | "ready";

/** What the header says of the sound. */
export interface SoundFacts {
  readonly wanted: boolean;
  /** The browser has a way to sound at all; and it lets this page, after a click or a key. */
  readonly able: boolean;
  readonly allowed: boolean;
  /** This window is the one of the desk that sounds. */
  readonly leads: boolean;
  readonly mutedMs: number;
  readonly tone: Tone | null;
}

export function soundState(x: SoundFacts): SoundState {
  if (!x.wanted) return "off";
  if (!x.able) return "none";
  if (!x.allowed) return "ask";
  if (x.mutedMs > 0) return "muted";
  if (!x.leads) return "other";
  return x.tone === null ? "ready" : "rings";
}

const AGAIN_MS = 1_000; // a further alarm of the same tone sounds at once, but a flood of them does not stutter

/** Decides when a sequence begins: at once for a new alarm and for a more urgent tone, else after the pause. */
export class Repeater {
  private tone: Tone | null = null;
  private begunMs = -Infinity;
  private n = 0; // alarms that called for the tone at the last decision

  /** The tone whose sequence is to begin at `nowMs`; null: none. */
  due(waiting: Readonly<Record<Tone, number>>, nowMs: number): Tone | null {
    const tone = toneOf(waiting);
    if (tone === null) {
      this.reset();
      return null;
    }
    const rises = this.tone === null || TONES.indexOf(tone) < TONES.indexOf(this.tone);
    const more = tone === this.tone && waiting[tone] > this.n && nowMs - this.begunMs >= AGAIN_MS;
    const again = nowMs - this.begunMs >= PERIOD_MS[tone];
    if (waiting[tone] < this.n || tone !== this.tone || more || again) this.n = waiting[tone];
    this.tone = tone;
    if (!rises && !more && !again) return null;
    this.begunMs = nowMs;
    return tone;
  }

  /** After a pause of silence the next sequence begins at once. */
  reset(): void {
    this.tone = null;
    this.begunMs = -Infinity;
    this.n = 0;
  }
}

/** Whether a role hears alarms unless it chose otherwise: who may not act is not called. */
export function soundsByDefault(role: string): boolean {
  return role !== "viewer" && role !== "auditor";
}
