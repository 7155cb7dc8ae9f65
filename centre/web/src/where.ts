/** Where an episode is drawn: at its own vehicle while that is visible, else at a place with an age; never at a vehicle that is near. */

import type { Episode, Row } from "./api.ts";
import { isExerciseId } from "./desk/model.ts";
import type { Fleet } from "./fleet.ts";
import { ms } from "./format.ts";
import { ruleView } from "./rules.ts";
import { COASTING, UNDECIDABLE, widthOf } from "./snapshot.ts";
import { lateral } from "./site.ts";
import type { Site } from "./site.ts";
import { WINDOW_M } from "./state.ts";
import type { State } from "./state.ts";

const MARGIN_M = 500; // a vehicle that enters the picture has come at the full rate for a while
const AROUND_M = 200; // of the close-up's vehicle
const STEP_M = 100; // the stretches change only with this

/** Site plane [m], station and lateral [m; NaN: none]. */
export interface Where {
  /** The fleet's slot of its visible vehicle; -1: this is a place. */
  readonly slot: number;
  /** The slot of its vehicle, also of a hollow one at its last position; -1: it is not drawn. */
  readonly hull: number;
  readonly x: number;
  readonly y: number;
  readonly s: number;
  readonly u: number;
  /** When the vehicle was there [ms since the epoch]; NaN: unknown. */
  readonly atMs: number;
}

/** The slot with the episode's identity while it is open, also of a hollow vehicle; -1: none. */
export function slotOf(state: State, episode: Episode): number {
  return state.fleet === null || !episode.open ? -1 : vehicleSlot(state.fleet, episode);
}

/**
 * The slot of an episode's vehicle: by track, after a handover by terminal; -1: it is not on the road.
 *
 * A track that has another vehicle's name by now is that vehicle's: two that drove side by side and parted may have changed tracks.
 */
export function vehicleSlot(fleet: Fleet, episode: Episode): number {
  const { terminal, plate } = episode.vehicle ?? { terminal: null, plate: null };
  const slot = fleet.slot(BigInt(episode.track));
  const [name, wanted] = terminal ? [fleet.terminal(slot), terminal] : [fleet.plate(slot), plate];
  if (slot >= 0 && (!name || !wanted || name === wanted)) return slot;
  // a plate is for people; it identifies the vehicle only where there is no terminal
  return terminal ? fleet.findTerminal(terminal) : plate ? fleet.findPlate(plate) : -1;
}

/** The slot of the episode's vehicle if it is visible now, or was when the picture froze; else -1. */
export function seenSlot(state: State, episode: Episode): number {
  const slot = slotOf(state, episode);
  return slot >= 0 && (state.fleet!.stale[slot] === 0 || state.connection === "disconnected") ? slot : -1;
}

/** The live values of an episode's vehicle, as in the picture. */
export interface Live {
  /** Its edge beyond its lane's line [m], 0 within; NaN where its lane is not on the strip, or its RSU would not judge it so. */
  readonly excessM: number;
  readonly speedMps: number;
  readonly sigmaM: number;
  /** Its station [m]; NaN off the axis. */
  readonly s: number;
  /** Where its middle is across the road [m]; NaN off the strip. */
  readonly u: number;
}

/** The live values of an open episode's vehicle; null if it is not visible: then only its versions are known. */
export function liveOf(state: State, episode: Episode): Live | null {
  const { fleet, site } = state;
  if (fleet === null || site === null || !state.steps.has("vehicles")) return null;
  const slot = seenSlot(state, episode);
  if (slot < 0) return null;
  return {
    excessM: excessOf(site, fleet, slot), speedMps: fleet.speed[slot]!, sigmaM: fleet.sigma[slot]!, s: fleet.s[slot]!, u: fleet.u[slot]!,
  };
}

/** Whether the picture shows how far the episode's vehicle is over its line: then this excess counts, not the last version's. */
export function showsExcess(episode: Episode): boolean {
  return ruleView(episode.rule).mark === "overLine";
}

/** The excess of an open episode in the picture [m]; null where only its version has one. */
export function seenExcess(episode: Episode, live: Live | null): number | null {
  return !showsExcess(episode) || live === null || Number.isNaN(live.excessM) ? null : live.excessM;
}

/** The hazmat lane of a vehicle's direction, which it must not leave; undefined where the strip has none. */
export function homeOf(site: Site, fleet: Fleet, slot: number): Row | undefined {
  return site.rows.find((row) => row.hazmat && row.direction === fleet.way[slot]);
}

/** Flags of a vehicle without radar, or with a too uncertain position: its drawing is no measure of its excess. */
const VAGUE = COASTING | UNDECIDABLE;

function excessOf(site: Site, fleet: Fleet, slot: number): number {
  if ((fleet.flags[slot]! & VAGUE) !== 0) return NaN;
  const home = homeOf(site, fleet, slot);
  if (home === undefined) return NaN;
  const [u, half] = [fleet.u[slot]!, widthOf(fleet.kind[slot]!) / 2];
  return Math.max(0, u + half - home.offset_m[1], home.offset_m[0] - (u - half)); // NaN stays NaN
}

/** The stretches [m] whose vehicles are drawn closely: the detail strip's, and the surroundings of what is chosen. */
export function lookedAt(state: State): [number, number][] {
  const found: [number, number][] = [[state.windowFrom - MARGIN_M, state.windowFrom + WINDOW_M + MARGIN_M]];
  const { chosen, fleet, site } = state;
  let s = NaN;
  if (chosen !== null && site !== null) s = whereabouts(state, site, chosen).s;
  else if (state.follow !== null && fleet !== null && fleet.slot(state.follow) >= 0) s = fleet.s[fleet.slot(state.follow)]!;
  if (!Number.isNaN(s)) {
    const middle = Math.round(s / STEP_M) * STEP_M;
    found.push([middle - AROUND_M, middle + AROUND_M]);
  }
  return found;
}

const MADE_S_MAX = 8; // a made-up vehicle drives on so long after its newest version; they come each 5 s

/** Where the made-up vehicle of an exercise is now: it drives on from its newest version, along its lane. */
function madeUp(state: State, site: Site, episode: Episode): Where {
  const ageS = Math.max(0, Math.min(MADE_S_MAX, (state.viewMs() - ms(episode.stamps.measured_ns)) / 1_000));
  const way = (site.lanes.get(episode.lane ?? "")?.direction ?? 1) * (episode.rule === "wrong_way" ? -1 : 1);
  const s = Math.max(site.from, Math.min(site.to, (episode.s_m ?? NaN) + way * episode.speed_mps * ageS));
  const u = lateral(site, episode);
  const at = site.axis === null || Number.isNaN(u)
    ? { x: site.plane.x(episode.lon_deg), y: site.plane.y(episode.lat_deg) }
    : site.axis.at(s, u);
  return { slot: -1, hull: -1, x: at.x, y: at.y, s, u, atMs: state.viewMs() };
}

export function whereabouts(state: State, site: Site, episode: Episode): Where {
  if (isExerciseId(episode.id) && episode.open) return madeUp(state, site, episode);
  const { fleet } = state;
  const slot = slotOf(state, episode);
  if (fleet !== null && slot >= 0) {
    return {
      slot: seenSlot(state, episode), hull: slot, x: fleet.x[slot]!, y: fleet.y[slot]!, s: fleet.s[slot]!, u: fleet.u[slot]!,
      atMs: fleet.seenMs(slot),
    };
  }
  return {
    slot: -1, hull: -1, x: site.plane.x(episode.lon_deg), y: site.plane.y(episode.lat_deg), s: episode.s_m ?? NaN,
    u: lateral(site, episode),
    atMs: ms(episode.open ? episode.stamps.measured_ns : (episode.end_ns ?? episode.stamps.measured_ns)),
  };
}
