/** The vehicles of all RSUs as a struct of arrays: it stores snapshots and returns positions at a moment. */

import { HAZMAT, NO_LANE, NO_OFFSET, OWNED, stationOf } from "./snapshot.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Axis, Plane } from "./projection.ts";

export const DELAY_MS = 150; // drawn behind the newest stamp, so that two snapshots always enclose the moment
export const EXTRAPOLATE_MS = 1_000; // after it a vehicle is not moved any more and is drawn hollow
const GONE_MS = 450; // its RSU still reports, but without this vehicle
const FORGET_MS = 60_000; // its RSU is silent
const STANDING_MPS = 1; // below it the course is mostly noise
const STATES = 4; // kept per vehicle, newest last
const TAIL = 31; // one point per second
const RAD = Math.PI / 180;

/** Where a lane lies; the snapshot's `d_cm` is relative to its centre. */
export interface LanePlace {
  readonly centreM: number;
  readonly direction: number;
  /** Whether the strip has a row for it; ramps are on the map only. */
  readonly onStrip: boolean;
}

export interface Ground {
  readonly plane: Plane;
  readonly axis: Axis | null;
  readonly lane: (name: string) => LanePlace | undefined;
}

interface Source {
  lanes: readonly string[];
  places: (LanePlace | undefined)[];
  stampMs: number;
  seq: number;
  everyMs: number;
}

export class Fleet {
  /** Slots 0..size-1 may hold a vehicle; after `at` the list `live` names those that do. */
  size = 0;
  live = new Int32Array(0);
  nLive = 0;
  // at the moment asked for: plane metres, unit heading, station and lateral (NaN: none), metres per second
  x = new Float64Array(0);
  y = new Float64Array(0);
  hx = new Float32Array(0);
  hy = new Float32Array(0);
  s = new Float64Array(0);
  u = new Float32Array(0);
  speed = new Float32Array(0);
  // as last reported
  kind = new Uint8Array(0);
  flags = new Uint8Array(0);
  length = new Float32Array(0);
  sigma = new Float32Array(0);
  way = new Int8Array(0); // 1: drives towards growing station, -1: against it
  stale = new Uint8Array(0);
  source = new Uint16Array(0);
  track: bigint[] = [];
  tailS = new Float32Array(0);
  tailU = new Float32Array(0);
  private tailAt = new Float64Array(0);
  private tailN = new Uint8Array(0);
  private ring = new Float64Array(0); // STATES x (t, x, y, hx, hy, s, u, v) per slot
  private ringN = new Uint8Array(0);
  private readonly slots = new Map<bigint, number>();
  private readonly free: number[] = [];
  private readonly sources = new Map<string, number>();
  private readonly states: Source[] = [];
  private readonly plates = new Map<bigint, string>();
  private readonly terminals = new Map<bigint, string>();
  private readonly sureness = new Map<bigint, number>();
  private readonly index = new Map<ReadonlyMap<bigint, string>, Map<string, bigint[]>>(); // cleared when a name changes
  private readonly ground: Ground;

  constructor(ground: Ground) {
    this.ground = ground;
  }

  slot(track: bigint): number {
    return this.slots.get(track) ?? -1;
  }

  plate(slot: number): string {
    return this.plates.get(this.track[slot]!) ?? "";
  }

  terminal(slot: number): string {
    return this.terminals.get(this.track[slot]!) ?? "";
  }

  /** The probability of its name; 1 where its RSU does not say. */
  nameP(slot: number): number {
    return this.sureness.get(this.track[slot]!) ?? 1;
  }

  findPlate(plate: string): number {
    return this.newestOf(this.plates, plate);
  }

  findTerminal(terminal: string): number {
    return this.newestOf(this.terminals, terminal);
  }

  /** In a handover a vehicle may have two tracks for a moment: the newest counts. */
  private newestOf(names: ReadonlyMap<bigint, string>, name: string): number {
    let [best, at] = [-1, -Infinity];
    for (const track of this.tracksOf(names, name)) {
      const slot = this.slot(track);
      if (slot >= 0 && this.seenMs(slot) > at) [best, at] = [slot, this.seenMs(slot)];
    }
    return best;
  }

  /** The tracks of a name. There is an index, because each open alarm looks for its vehicle in each picture. */
  private tracksOf(names: ReadonlyMap<bigint, string>, name: string): readonly bigint[] {
    let index = this.index.get(names);
    if (index === undefined) {
      index = new Map<string, bigint[]>();
      for (const [track, each] of names) index.set(each, [...(index.get(each) ?? []), track]);
      this.index.set(names, index);
    }
    return index.get(name) ?? [];
  }

  /** The stamp at which the vehicle was last seen [ms]. */
  seenMs(slot: number): number {
    return this.ring[(slot * STATES + this.ringN[slot]! - 1) * 8]!;
  }

  /** Stamp of the newest snapshot by RSU [ms]. */
  stamps(): Map<string, number> {
    return new Map([...this.sources].map(([esn, i]) => [esn, this.states[i]!.stampMs]));
  }

  esn(slot: number): string {
    for (const [esn, i] of this.sources) if (i === this.source[slot]) return esn;
    return "";
  }

  /** Store one snapshot; of one that is older than the RSU's newest only the names are stored. */
  ingest(snapshot: Snapshot): void {
    const source = this.sourceOf(snapshot);
    const state = this.states[source]!;
    if (snapshot.names !== null) this.storeNames(snapshot.names);
    if (snapshot.lanes !== null) {
      state.lanes = snapshot.lanes;
      state.places = snapshot.lanes.map((name) => this.ground.lane(name));
    }
    if (snapshot.stampMs <= state.stampMs) return;
    state.stampMs = snapshot.stampMs;
    state.seq = snapshot.seq;
    state.everyMs = snapshot.everyMs;
    const { view, at, itemBytes, n } = snapshot;
    const named = snapshot.names === null ? null : new Set(snapshot.names.track);
    for (let i = 0; i < n; i++) {
      const base = i * itemBytes;
      if ((view.getUint8(base + at.flags) & OWNED) === 0) continue; // its owner draws it
      // names are always complete: a track that its owner does not name has lost its identity
      const track = view.getBigUint64(base + at.track, true);
      if (named !== null && !named.has(track)) this.forgetNames(track);
      this.store(snapshot, base, source, state);
    }
  }

  private sourceOf(snapshot: Snapshot): number {
    let source = this.sources.get(snapshot.esn);
    if (source === undefined) {
      source = this.states.length;
      this.sources.set(snapshot.esn, source);
      this.states.push({ lanes: [], places: [], stampMs: -Infinity, seq: -1, everyMs: 0 });
    }
    return source;
  }

  private storeNames(names: NonNullable<Snapshot["names"]>): void {
    for (let i = 0; i < names.track.length; i++) {
      const track = names.track[i]!;
      const [terminal, plate] = [names.terminal[i], names.plate[i] ?? names.terminal[i]];
      this.forgetNames(track);
      if (plate) this.plates.set(track, plate);
      if (terminal) this.terminals.set(track, terminal);
      const p = names.p[i];
      if (p != null) this.sureness.set(track, p);
    }
  }

  private forgetNames(track: bigint): void {
    this.index.clear();
    this.plates.delete(track);
    this.terminals.delete(track);
    this.sureness.delete(track);
  }

  private store(snapshot: Snapshot, base: number, source: number, state: Source): void {
    const { view, at } = snapshot;
    const track = view.getBigUint64(base + at.track, true);
    const slot = this.slots.get(track) ?? this.open(track);
    const t = snapshot.stampMs + (at.dt_ms < 0 ? 0 : view.getInt16(base + at.dt_ms, true));
    const x = this.ground.plane.x(view.getInt32(base + at.lon_e7, true) / 1e7);
    const y = this.ground.plane.y(view.getInt32(base + at.lat_e7, true) / 1e7);
    const course = at.course_cdeg < 0 ? 0 : (view.getUint16(base + at.course_cdeg, true) / 100) * RAD;
    const s = stationOf(snapshot, base);
    const lane = at.lane < 0 ? NO_LANE : view.getUint16(base + at.lane, true);
    const place = state.places[lane];
    const d = at.d_cm < 0 ? NO_OFFSET : view.getInt16(base + at.d_cm, true);
    const v = at.speed_cmps < 0 ? 0 : view.getUint16(base + at.speed_cmps, true) / 100;
    const [hx, hy] = v < STANDING_MPS ? this.lastHeading(slot, place, s, course) : [Math.sin(course), Math.cos(course)];
    let u = NaN;
    if (place !== undefined && (!place.onStrip || place.direction === 0)) u = NaN;
    else if (place !== undefined && d !== NO_OFFSET) u = place.centreM + (place.direction * d) / 100;
    else if (!Number.isNaN(s) && this.ground.axis !== null) u = this.ground.axis.offset(s, x, y);
    this.source[slot] = source;
    this.kind[slot] = at.class < 0 ? 0 : view.getUint8(base + at.class);
    this.flags[slot] = view.getUint8(base + at.flags);
    const length = at.length_dm < 0 ? 0 : view.getUint8(base + at.length_dm) / 10;
    this.length[slot] = length > 0 ? length : this.kind[slot] === HAZMAT ? 12 : 4.5;
    this.sigma[slot] = at.sigma_cm < 0 ? 0 : view.getUint16(base + at.sigma_cm, true) / 100;
    this.way[slot] = this.wayOf(place, s, hx, hy);
    this.push(slot, [t, x, y, hx, hy, s, u, v]);
  }

  /** The course of a slow vehicle is noise: it keeps its last heading, or without one points along its lane. */
  private lastHeading(slot: number, place: LanePlace | undefined, s: number, course: number): [number, number] {
    const n = this.ringN[slot]!;
    if (n > 0) return [this.ring[(slot * STATES + n - 1) * 8 + 3]!, this.ring[(slot * STATES + n - 1) * 8 + 4]!];
    if (place === undefined || place.direction === 0 || this.ground.axis === null || Number.isNaN(s)) {
      return [Math.sin(course), Math.cos(course)];
    }
    const { theta } = this.ground.axis.at(s);
    return [place.direction * Math.cos(theta), place.direction * Math.sin(theta)];
  }

  /** The vehicle's direction along the axis, by its heading: a wrong-way driver drives against its lane. */
  private wayOf(place: LanePlace | undefined, s: number, hx: number, hy: number): number {
    if (this.ground.axis === null || Number.isNaN(s)) return place?.direction ?? 1;
    const { theta } = this.ground.axis.at(s);
    return hx * Math.cos(theta) + hy * Math.sin(theta) >= 0 ? 1 : -1;
  }

  private push(slot: number, state: readonly number[]): void {
    const at = slot * STATES * 8;
    let n = this.ringN[slot]!;
    if (n > 0 && this.ring[at + (n - 1) * 8]! >= state[0]!) n--; // the same state again, or a corrected one
    if (n === STATES) {
      this.ring.copyWithin(at, at + 8, at + STATES * 8);
      n--;
    }
    this.ring.set(state, at + n * 8);
    this.ringN[slot] = n + 1;
    this.extendTail(slot, state[0]!, state[5]!, state[6]!);
  }

  private extendTail(slot: number, t: number, s: number, u: number): void {
    if (t - this.tailAt[slot]! < 1_000 || Number.isNaN(s)) return;
    this.tailAt[slot] = t;
    const at = slot * TAIL;
    if (this.tailN[slot] === TAIL) {
      this.tailS.copyWithin(at, at + 1, at + TAIL);
      this.tailU.copyWithin(at, at + 1, at + TAIL);
      this.tailN[slot] = TAIL - 1;
    }
    this.tailS[at + this.tailN[slot]!] = s;
    this.tailU[at + this.tailN[slot]!] = u;
    this.tailN[slot]!++;
  }

  /** Range [from, to) of the slot's tail in `tailS` and `tailU`, oldest first. */
  tail(slot: number): [number, number] {
    return [slot * TAIL, slot * TAIL + this.tailN[slot]!];
  }

  private open(track: bigint): number {
    const slot = this.free.pop() ?? this.size++;
    if (slot >= this.x.length) this.grow();
    this.slots.set(track, slot);
    this.track[slot] = track;
    this.ringN[slot] = 0;
    this.tailN[slot] = 0;
    this.tailAt[slot] = -Infinity;
    this.s[slot] = this.u[slot] = NaN; // until a moment is asked for
    return slot;
  }

  private close(slot: number): void {
    const track = this.track[slot]!;
    this.slots.delete(track);
    this.forgetNames(track);
    this.ringN[slot] = 0;
    this.free.push(slot);
  }

  private grow(): void {
    const n = Math.max(256, this.x.length * 2);
    const wide = <T extends Float64Array | Float32Array | Uint8Array | Uint16Array | Int8Array>(old: T, per = 1): T => {
      const more = new (old.constructor as new (n: number) => T)(n * per);
      more.set(old);
      return more;
    };
    for (const key of ["x", "y", "s", "tailAt"] as const) this[key] = wide(this[key]);
    for (const key of ["hx", "hy", "u", "speed", "length", "sigma"] as const) this[key] = wide(this[key]);
    for (const key of ["kind", "flags", "stale", "tailN", "ringN"] as const) this[key] = wide(this[key]);
    this.way = wide(this.way);
    this.source = wide(this.source);
    this.tailS = wide(this.tailS, TAIL);
    this.tailU = wide(this.tailU, TAIL);
    this.ring = wide(this.ring, STATES * 8);
    this.live = new Int32Array(n);
  }

  /** Put every vehicle where it was at t [ms of the stamps' clock]; forget those that are gone. */
  at(t: number): void {
    this.nLive = 0;
    for (const slot of this.slots.values()) {
      const n = this.ringN[slot]!;
      const newest = this.ring[(slot * STATES + n - 1) * 8]!;
      const { stampMs: reportedMs, everyMs } = this.states[this.source[slot]!]!;
      if (reportedMs - newest > GONE_MS || t - newest > FORGET_MS) {
        this.close(slot);
        continue;
      }
      this.stale[slot] = t - newest > Math.max(EXTRAPOLATE_MS, 2 * everyMs) ? 1 : 0;
      this.place(slot, n, Math.min(t, newest + EXTRAPOLATE_MS));
      this.live[this.nLive++] = slot;
    }
  }

  private place(slot: number, n: number, t: number): void {
    const ring = this.ring;
    let b = (slot * STATES + n - 1) * 8;
    const first = slot * STATES * 8;
    if (t >= ring[b]! || n === 1) {
      this.extrapolate(slot, b, Math.max(0, t - ring[b]!) / 1_000);
      return;
    }
    while (b > first + 8 && ring[b - 8]! > t) b -= 8;
    const a = b - 8;
    const f = Math.max(0, Math.min(1, (t - ring[a]!) / (ring[b]! - ring[a]!)));
    const mix = (k: number): number => ring[a + k]! + f * (ring[b + k]! - ring[a + k]!);
    this.x[slot] = mix(1);
    this.y[slot] = mix(2);
    const [hx, hy] = [mix(3), mix(4)];
    const norm = Math.hypot(hx, hy) || 1;
    this.hx[slot] = hx / norm;
    this.hy[slot] = hy / norm;
    this.s[slot] = mix(5);
    this.u[slot] = mix(6);
    this.speed[slot] = mix(7);
  }

  private extrapolate(slot: number, b: number, dtS: number): void {
    const ring = this.ring;
    const step = ring[b + 7]! * dtS;
    this.x[slot] = ring[b + 1]! + ring[b + 3]! * step;
    this.y[slot] = ring[b + 2]! + ring[b + 4]! * step;
    this.hx[slot] = ring[b + 3]!;
    this.hy[slot] = ring[b + 4]!;
    this.s[slot] = ring[b + 5]! + this.way[slot]! * step;
    this.u[slot] = ring[b + 6]!;
    this.speed[slot] = ring[b + 7]!;
  }
}

/** Estimates the clock of the stamps from the fastest recent delivery; both clocks in milliseconds. */
export class StreamClock {
  private leads: { at: number; lead: number }[] = [];
  private lead = NaN;

  observe(stampMs: number, localMs: number): void {
    const lead = stampMs - localMs;
    this.leads = this.leads.filter((x) => localMs - x.at < 2_000 && x.lead > lead);
    this.leads.push({ at: localMs, lead });
    const best = this.leads[0]!.lead;
    // small corrections are slewed so that no vehicle jumps; a step of the clock is followed at once
    this.lead = Math.abs(best - this.lead) < 250 ? this.lead + 0.1 * (best - this.lead) : best;
  }

  now(localMs: number): number {
    return localMs + this.lead;
  }
}
