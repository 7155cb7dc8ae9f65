/** The page's state as it was at a replayed moment: what the pictures draw meanwhile in place of the live one. Pure. */

import type { Rsu } from "../api.ts";
import type { Fleet } from "../fleet.ts";
import { ms } from "../format.ts";
import { hatches, radarCovers } from "../site.ts";
import { State } from "../state.ts";
import { losses } from "../supervision.ts";
import { vehicleSlot } from "../where.ts";
import { Grades } from "./grades.ts";
import { Recalled } from "./recalled.ts";

const REACH_MS = 30_000; // before its start a chosen violation's vehicle is followed already

export class Past {
  readonly state = new State();
  readonly grades = new Grades();
  readonly recalled = new Recalled();
  /** The vehicle that was clicked in the replayed picture; null: none. */
  follow: bigint | null = null;
  private rows: readonly Rsu[] = [];
  private source = ""; // what the episodes were taken from, and from when until when [ms] each of them stays as it is
  private fromMs = Infinity;
  private untilMs = -Infinity;

  /** Show a moment: vehicles from `fleet`, RSUs as they were, and of the live state what is chosen and where it looks. */
  show(live: State, fleet: Fleet, rsus: readonly Rsu[], tMs: number): void {
    const { state } = this;
    state.site = live.site;
    state.fleet = fleet;
    state.theme = live.theme;
    state.windowFrom = live.windowFrom;
    state.windowM = live.windowM;
    state.closeZoom = live.closeZoom;
    state.closeShift = live.closeShift;
    state.selected = live.selected;
    state.complete = live.complete;
    state.replayMs = tMs;
    state.isPast = true;
    state.connection = "live"; // of the film: what it lacks is hollow
    for (const step of ["site", "map", "list", "rsus", "vehicles"] as const) state.steps.add(step);
    state.setCentreTime(String(Math.round(tMs * 1e6)), performance.now());
    this.putEpisodes(live, tMs);
    this.putRsus(rsus);
    state.losses = losses(state);
    state.follow = this.follow ?? this.chosenTrack(live, tMs);
  }

  /** Put the episodes as they were; they are looked through again only where one of them changes, or what is known of them. */
  private putEpisodes(live: State, tMs: number): void {
    const { episodes, details } = this.state;
    const detail = live.selected === null ? undefined : live.details.get(live.selected);
    details.clear();
    if (detail !== undefined) details.set(live.selected!, detail);
    const source = `${live.changes} ${this.grades.changes} ${this.recalled.changes} ${live.selected}`;
    if (source === this.source && tMs >= this.fromMs && tMs < this.untilMs) return;
    [this.source, this.fromMs, this.untilMs] = [source, -Infinity, Infinity];
    episodes.clear();
    for (const episode of [...live.episodes.values(), ...this.recalled.beside(live.episodes)]) {
      for (const edgeMs of this.grades.edges(episode)) {
        if (edgeMs <= tMs) this.fromMs = Math.max(this.fromMs, edgeMs);
        else this.untilMs = Math.min(this.untilMs, edgeMs);
      }
      const then = this.grades.at(episode, tMs);
      if (then !== null && (then.open || then.id === live.selected)) episodes.set(then.id, then);
    }
  }

  private putRsus(rows: readonly Rsu[]): void {
    if (rows === this.rows || this.state.site === null) return;
    this.rows = rows;
    const { state } = this;
    state.rsus.clear();
    for (const row of rows) state.rsus.set(row.esn, row);
    state.rsuOrder = rows.map((row) => row.esn);
    state.hatches = hatches(state.site!, rows);
    state.covers = radarCovers(state.site!, state.rsus);
    state.roadChanges = state.roadChanges === 0 ? 1e9 : state.roadChanges + 1; // never a number of the live state's
  }

  /** The track of the chosen violation's vehicle before it began; null where that is not seen. */
  private chosenTrack(live: State, tMs: number): bigint | null {
    const { chosen } = live;
    const { fleet } = this.state;
    if (chosen === null || fleet === null || tMs >= ms(chosen.start_ns) || tMs < ms(chosen.start_ns) - REACH_MS - 1_000) return null;
    const slot = vehicleSlot(fleet, chosen);
    return slot < 0 ? null : (fleet.track[slot] ?? null);
  }
}
