/** What the user chose: an episode, a vehicle or a station. The detail strip moves to it, the address names it. */

import { loadDetail } from "./load.ts";
import type { State } from "./state.ts";
import type { Picked } from "./views.ts";
import { slotOf, whereabouts } from "./where.ts";

const RIM_M = 300; // nearer to the end of the detail strip than this, the chosen episode moves it

/** What a selection makes the page do. */
export interface SelectionEffects {
  /** Draw the text again. */
  changed(): void;
  /** Draw everything again: the detail strip has moved. */
  moved(): void;
  /** Scroll the list to an episode. */
  reveal(id: string): void;
}

export class Selection {
  private readonly state: State;
  private readonly effects: SelectionEffects;

  constructor(state: State, effects: SelectionEffects) {
    this.state = state;
    this.effects = effects;
  }

  choose(picked: Picked): void {
    if (picked.kind === "episode") this.episode(picked.id);
    else if (picked.kind === "vehicle") this.vehicle(picked.slot);
    else this.moveWindow(picked.sM - this.state.windowM / 2);
  }

  /** Choose an episode; one that was chosen in the list itself (`inList`) is visible there already. */
  episode(id: string, inList = false): void {
    const { state, effects } = this;
    state.selected = id;
    state.follow = null;
    state.desk.risen.delete(id);
    if (location.hash !== `#v=${id}`) window.history.replaceState(null, "", `#v=${id}`);
    void loadDetail(state, id).then(() => {
      this.bringIntoWindow();
      effects.changed();
    });
    this.bringIntoWindow();
    effects.changed();
    if (!inList) effects.reveal(id);
  }

  /** Choose nothing. */
  clear(): void {
    const { state } = this;
    if (state.selected === null && state.follow === null) return;
    state.selected = null;
    state.follow = null;
    if (location.hash.startsWith("#v=")) window.history.replaceState(null, "", location.pathname + location.search);
    this.effects.changed();
  }

  /** Choose a vehicle: its open episode if it has one, else the vehicle itself is followed. */
  private vehicle(slot: number): void {
    const { state } = this;
    const track = state.fleet!.track[slot]!;
    for (const episode of state.episodes.values()) {
      if (episode.open && slotOf(state, episode) === slot) return this.episode(episode.id);
    }
    state.selected = null;
    state.follow = track;
    window.history.replaceState(null, "", location.pathname + location.search);
    this.effects.changed();
  }

  /** Let the detail strip begin at a station [m]. */
  moveWindow(fromM: number): void {
    this.state.moveWindow(fromM);
    this.effects.moved();
  }

  /** Move the detail strip only if the chosen episode is outside or near its end. */
  private bringIntoWindow(): void {
    const { state } = this;
    const episode = state.chosen;
    if (episode === null || state.site === null) return;
    const { s } = whereabouts(state, state.site, episode);
    if (Number.isNaN(s)) return;
    if (s < state.windowFrom + RIM_M || s > state.windowFrom + state.windowM - RIM_M) state.moveWindow(s - state.windowM / 2);
  }
}
