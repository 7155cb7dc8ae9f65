/** Replay on the page: its buttons and keys, its address, and the state that the pictures draw meanwhile. */

import "./replay.css";
import { ms } from "../format.ts";
import { isTaken } from "../input.ts";
import type { Selection } from "../selection.ts";
import type { State } from "../state.ts";
import type { Picked, View } from "../views.ts";
import { slotOf } from "../where.ts";
import { BarView } from "./bar.ts";
import { pictureOf } from "./pictures.ts";
import { LEAD_MS, Player } from "./player.ts";

const STEP_MS = 1_000;
const ADDRESS_MS = 1_000; // between two changes of the address while it plays
const root = document.documentElement;

export class Replay {
  readonly player: Player;
  readonly bar: BarView;
  private readonly live: State;
  private readonly selection: Selection;
  private readonly redraw: () => void;
  private addressAt = 0;
  private link: { tMs: number; v: string | null } | null = null; // an address that was opened before the site was loaded

  constructor(live: State, selection: Selection, redraw: () => void) {
    this.live = live;
    this.selection = selection;
    this.redraw = redraw;
    this.player = new Player(live);
    this.bar = new BarView(document.querySelector("#replay")!, this.player, {
      begin: () => this.begin(),
      end: () => this.end(),
      seek: (tMs) => this.seek(tMs),
      toggle: () => this.toggle(),
      choose: (id) => this.selection.episode(id),
      redraw,
    });
  }

  /** The state that the pictures draw. */
  get shown(): State {
    return this.player.shown;
  }

  /** The state of the card: of a violation the live one, of a followed vehicle the replayed one. */
  get cardState(): State {
    return this.player.active && this.live.selected === null ? this.shown : this.live;
  }

  picture(view: View): View {
    return pictureOf(view, () => this.shown);
  }

  /** Replay the chosen violation, or the last thirty seconds; during a replay of it, from its beginning again. */
  begin(): void {
    const { chosen } = this.live;
    if (chosen === null) this.player.open(this.live.nowMs() - LEAD_MS);
    else this.player.open(ms(chosen.start_ns) - LEAD_MS, chosen.id);
    this.mark();
  }

  /** Return to the present; an address that names another screen stays. */
  end(): void {
    if (!this.player.active) return;
    this.player.close();
    this.mark();
    const { selected } = this.live;
    if (!location.hash.startsWith("#t=")) return;
    window.history.replaceState(null, "", selected === null ? location.pathname + location.search : `#v=${selected}`);
  }

  /** Open `t=MS&v=ID`, as another page shows it in its address. */
  follow(link: string): void {
    const found = /^t=(\d+)(?:&v=([\w-]+))?$/.exec(link);
    if (found === null) return;
    const at = { tMs: Number(found[1]), v: found[2] ?? null };
    if (this.live.site === null) {
      this.link = at;
      return;
    }
    if (at.v !== null) this.selection.episode(at.v);
    this.player.open(at.tMs, at.v);
    this.player.playing = false; // a colleague looks at this very moment first
    this.mark();
  }

  /** Let a click on a vehicle follow it in the replayed picture; says whether that was all. */
  choose(picked: Picked): boolean {
    if (!this.player.active) return false;
    if (picked.kind !== "vehicle") {
      if (picked.kind === "episode") this.player.past.follow = null;
      return false;
    }
    const past = this.shown;
    for (const episode of past.episodes.values()) {
      if (!episode.open || slotOf(past, episode) !== picked.slot) continue;
      this.player.past.follow = null;
      this.selection.episode(episode.id);
      return true;
    }
    this.live.selected = null;
    this.live.follow = null;
    this.player.past.follow = past.fleet?.track[picked.slot] ?? null;
    this.redraw();
    return true;
  }

  /** Move on; call it in each frame. */
  advance(now: number): void {
    if (this.link !== null && this.live.site !== null) {
      const { tMs, v } = this.link;
      this.link = null;
      this.follow(`t=${tMs}${v === null ? "" : `&v=${v}`}`);
    }
    this.player.advance(now);
    if (this.player.active && now - this.addressAt > ADDRESS_MS) this.address(now);
  }

  /** Add the keys that only a replay has. */
  listen(acted: () => void): void {
    const keys: Readonly<Record<string, () => void>> = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.seek(this.player.tMs - STEP_MS),
      ArrowRight: () => this.seek(this.player.tMs + STEP_MS),
      Escape: () => this.end(),
    };
    addEventListener("keydown", (event) => {
      const target = event.target as HTMLElement;
      if (!this.player.active || isTaken(event) || (target.tagName === "BUTTON" && event.key === " ")) return;
      const act = keys[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
      acted();
    });
  }

  private toggle(): void {
    this.player.playing = !this.player.playing;
    this.mark();
  }

  private seek(tMs: number): void {
    this.player.seek(tMs);
    this.mark();
  }

  /** Show at once what an act changed. */
  private mark(): void {
    root.toggleAttribute("data-replay", this.player.active);
    this.bar.draw(this.live);
    this.address(performance.now());
    this.redraw();
  }

  /** Name the shown moment in the address, for a colleague. */
  private address(now: number): void {
    const { player, live } = this;
    this.addressAt = now;
    if (!player.active || !/^(?:#[tv]=|$)/.test(location.hash)) return; // another screen is about to be shown
    const hash = `#t=${Math.round(player.tMs)}${live.selected === null ? "" : `&v=${live.selected}`}`;
    if (location.hash !== hash) window.history.replaceState(null, "", hash);
  }
}

