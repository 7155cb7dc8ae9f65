/** Sounds the alarms: in one window of a desk, from the first click or key on, until they are acknowledged or silenced. */

import { whoAmI } from "../accounts/me.ts";
import type { State } from "../state.ts";
import { gradeOf, unseen } from "./alarms.ts";
import { Lease } from "./lease.ts";
import { BEEPS, MUTE_MS, Repeater, silentMs, soundsByDefault, soundState, toneOf } from "./sound.ts";
import type { SoundState, Tone } from "./sound.ts";

const TICK_MS = 250;
const LEVEL = 0.25; // of full scale
const EDGE_S = 0.008; // without it each beep would click
const BLINK_MS = 500; // half of the ring's period
const LOCK = "petroroad-sound";

export class Ring {
  private readonly state: State;
  private readonly changed: () => void;
  private readonly repeater = new Repeater();
  private readonly channel = new BroadcastChannel("petroroad-desk");
  private audio: AudioContext | null = null;
  private leads = false;
  private asked = false;
  private lease: Lease | null = null;
  private mutedUntilMs = Number(localStorage.getItem("mutedUntil") ?? 0);
  private said: SoundState | null = null;

  constructor(state: State, changed: () => void) {
    this.state = state;
    this.changed = changed;
    this.channel.onmessage = (event: MessageEvent<unknown>) => {
      if (typeof event.data !== "number") return;
      this.mutedUntilMs = event.data;
      this.changed();
    };
    const unlock = (): void => void this.unlock();
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, unlock, { capture: true, passive: true });
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    setInterval(() => {
      const on = still.matches || Math.floor(state.viewMs() / BLINK_MS) % 2 === 0;
      document.documentElement.classList.toggle("blink", on);
    }, BLINK_MS);
    setInterval(() => this.sound(), TICK_MS); // alarms that arrive call `sound` themselves: a hidden window's timers are slow
  }

  /** Whether this person wants to hear alarms at all; chosen by click, by role until then. */
  get wanted(): boolean {
    const role = whoAmI()?.role ?? "viewer";
    const chosen = localStorage.getItem(`sound:${role}`);
    return chosen === null ? soundsByDefault(role) : chosen === "on";
  }

  get mutedMs(): number {
    return silentMs(this.mutedUntilMs, Date.now());
  }

  get current(): SoundState {
    return soundState({
      wanted: this.wanted, able: "AudioContext" in window, allowed: this.audio?.state === "running", leads: this.leads,
      mutedMs: this.mutedMs, tone: toneOf(this.waiting()),
    });
  }

  /** A click on the header's box: turn it on or off; where the browser has not allowed it yet, the click allows it. */
  toggle(): void {
    if (this.current === "ask") return; // the click itself has asked
    const role = whoAmI()?.role ?? "viewer";
    localStorage.setItem(`sound:${role}`, this.wanted ? "off" : "on");
    void this.unlock();
  }

  /** Silence for a minute in all windows of the desk; again: sound again. */
  mute(): void {
    this.mutedUntilMs = this.mutedMs > 0 ? 0 : Date.now() + MUTE_MS;
    localStorage.setItem("mutedUntil", String(this.mutedUntilMs));
    this.channel.postMessage(this.mutedUntilMs);
    this.repeater.reset();
  }

  /** Sound what is due now. */
  sound(): void {
    if (this.audio === null && this.wanted && "AudioContext" in window) this.prepare();
    if (this.lease !== null) this.leads = this.lease.leads(Date.now());
    const now = this.current;
    if (now !== this.said) {
      this.said = now;
      document.documentElement.dataset["sound"] = this.said;
      this.changed();
    }
    if (["muted", "off", "other"].includes(this.said)) return this.repeater.reset();
    if (this.said !== "rings" && this.said !== "ready") return;
    const tone = this.repeater.due(this.waiting(), performance.now());
    if (tone !== null) this.play(tone);
  }

  /** How many alarms call for each tone; while nothing is known of them, none. */
  private waiting(): Record<Tone, number> {
    const { state } = this;
    if (!state.desk.loaded) return { violation: 0, warning: 0, loss: 0 };
    const n = { ...unseen(state) };
    for (const id of state.desk.risen) {
      const episode = state.episodes.get(id);
      if (episode !== undefined) n[gradeOf(episode) === "violation" ? "violation" : "warning"]++;
    }
    return n;
  }

  /** Ask for the audio; a browser may hold it back until a click or a key. */
  private prepare(): void {
    this.audio = new AudioContext();
    this.audio.onstatechange = () => this.lead();
    this.lead();
  }

  private async unlock(): Promise<void> {
    if (!this.wanted || !("AudioContext" in window)) return;
    if (this.audio === null) this.prepare();
    if (this.audio!.state === "suspended") await this.audio!.resume();
    this.lead();
  }

  /** Wait to be the one window that sounds; only a window that can sound waits, and it stays until it is closed. */
  private lead(): void {
    if (this.asked || this.audio?.state !== "running") return;
    this.asked = true;
    if (!("locks" in navigator)) { // without TLS a browser has none
      const lease = this.lease = new Lease(localStorage, String(Math.random()));
      addEventListener("pagehide", () => lease.end());
      return;
    }
    void navigator.locks.request(LOCK, () => {
      this.leads = true;
      this.repeater.reset();
      this.sound();
      return new Promise(() => undefined);
    });
  }

  private play(tone: Tone): void {
    const audio = this.audio!;
    const start = audio.currentTime + 0.02;
    for (const [hz, at, length] of BEEPS[tone]) {
      const [oscillator, gain] = [audio.createOscillator(), audio.createGain()];
      oscillator.type = tone === "loss" ? "sine" : "triangle";
      oscillator.frequency.value = hz;
      gain.gain.setValueAtTime(0, start + at);
      gain.gain.linearRampToValueAtTime(LEVEL, start + at + EDGE_S);
      gain.gain.setValueAtTime(LEVEL, start + at + length - EDGE_S);
      gain.gain.linearRampToValueAtTime(0, start + at + length);
      oscillator.connect(gain).connect(audio.destination);
      oscillator.start(start + at);
      oscillator.stop(start + at + length);
    }
    const root = document.documentElement;
    root.dataset["rung"] = String(Number(root.dataset["rung"] ?? 0) + 1);
  }
}
