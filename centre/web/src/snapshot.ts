/** Reads `track/up` snapshots: columns by the message's own dtype, little endian, straight from its bytes. */

import { decode } from "./msgpack.ts";
import type { Value } from "./msgpack.ts";

export const OWNED = 1;
export const COASTING = 4;
export const UNDECIDABLE = 8;
export const HAZMAT = 4; // of `class`
export const NO_LANE = 65535;
export const NO_STATION = 4294967295;
export const NO_SIGNED_STATION = -2147483648;
export const NO_OFFSET = -32768;

/** The width that a vehicle of this `class` is drawn with, and judged by unless the registry says otherwise [m]. */
export function widthOf(kind: number): number {
  return kind >= 2 && kind <= 4 ? 2.5 : 1.85;
}

export interface Names {
  readonly track: readonly bigint[];
  readonly terminal: readonly (string | null)[];
  readonly plate: readonly (string | null)[];
  /** How sure each name is, to two decimals; null: its RSU does not say. */
  readonly p: readonly (number | null)[];
}

export interface Snapshot {
  readonly esn: string;
  readonly seq: number;
  readonly stampMs: number;
  readonly n: number;
  /** How often such a snapshot comes, where the centre sends less than all; 0: ten times a second. */
  readonly everyMs: number;
  readonly lanes: readonly string[] | null;
  readonly names: Names | null;
  /** Offset of each field in a record; -1 where the dtype lacks it. */
  readonly at: Readonly<Record<Field, number>>;
  readonly itemBytes: number;
  readonly view: DataView;
}

const WIDTHS: Readonly<Record<string, number>> = {
  u1: 1, i1: 1, u2: 2, i2: 2, u4: 4, i4: 4, u8: 8, i8: 8, f4: 4, f8: 8,
};
/** The columns that the page reads, with their formats; a column of another format is from another version. */
const FIELDS = {
  track: "u8", lon_e7: "i4", lat_e7: "i4", dt_ms: "i2", speed_cmps: "u2", course_cdeg: "u2", sigma_cm: "u2",
  lane: "u2", s_dm: "u4", d_cm: "i2", p_lane: "u1", length_dm: "u1", class: "u1", flags: "u1",
  s_signed_dm: "i4",
} as const;
export type Field = keyof typeof FIELDS;

/** Decode one WebSocket frame; throws RangeError or TypeError with what is wrong with it. */
export function readSnapshot(bytes: Uint8Array): Snapshot {
  const map = decode(bytes);
  if (map === null || typeof map !== "object" || Array.isArray(map) || map instanceof Uint8Array) throw new TypeError("no map");
  const { v, esn, seq, stamp_ns: stamp, n, dtype, data, lanes, names, every_ms: everyMs } = map;
  if (v !== 1) throw new TypeError(`version ${String(v)}`);
  if (typeof esn !== "string" || typeof seq !== "number" || typeof n !== "number") throw new TypeError("esn, seq or n");
  if (typeof stamp !== "number" && typeof stamp !== "bigint") throw new TypeError("stamp_ns");
  if (!Array.isArray(dtype) || !(data instanceof Uint8Array)) throw new TypeError("dtype or data");
  const { at, itemBytes } = layout(dtype);
  if (data.length !== n * itemBytes) throw new RangeError(`${data.length} bytes for ${n} records of ${itemBytes}`);
  return {
    esn, seq, n, at, itemBytes,
    stampMs: Number(stamp) / 1e6,
    everyMs: typeof everyMs === "number" ? everyMs : 0,
    lanes: Array.isArray(lanes) ? lanes.map(String) : null,
    names: readNames(names),
    view: new DataView(data.buffer, data.byteOffset, data.byteLength),
  };
}

/** The station of the record at `base` [m], NaN for none: `s_signed_dm` where the site sends it, else `s_dm`. */
export function stationOf({ view, at }: Snapshot, base: number): number {
  if (at.s_signed_dm >= 0) {
    const signed = view.getInt32(base + at.s_signed_dm, true);
    return signed === NO_SIGNED_STATION ? NaN : signed / 10;
  }
  const station = at.s_dm < 0 ? NO_STATION : view.getUint32(base + at.s_dm, true);
  return station === NO_STATION ? NaN : station / 10;
}

function layout(dtype: Value[]): { at: Record<Field, number>; itemBytes: number } {
  const at = Object.fromEntries(Object.keys(FIELDS).map((name) => [name, -1])) as Record<Field, number>;
  let itemBytes = 0;
  for (const column of dtype) {
    if (!Array.isArray(column) || typeof column[0] !== "string" || typeof column[1] !== "string") throw new TypeError("dtype column");
    const kind = column[1].replace(/^[<|]/, "");
    const width = WIDTHS[kind];
    if (width === undefined || column.length > 2) throw new TypeError(`dtype ${column[1]}`);
    if (Object.hasOwn(FIELDS, column[0])) {
      const field = column[0] as Field;
      if (FIELDS[field] !== kind) throw new TypeError(`${field} is ${kind}, not ${FIELDS[field]}`);
      at[field] = itemBytes;
    }
    itemBytes += width;
  }
  for (const need of ["track", "lon_e7", "lat_e7", "flags"] as const) if (at[need] < 0) throw new TypeError(`no ${need}`);
  return { at, itemBytes };
}

function readNames(names: Value | undefined): Names | null {
  if (names === null || names === undefined || typeof names !== "object" || Array.isArray(names) || names instanceof Uint8Array) {
    return null;
  }
  const { track, terminal, plate, identity_p } = names;
  if (!Array.isArray(track) || !Array.isArray(terminal) || !Array.isArray(plate)) return null;
  const text = (x: Value | undefined): string | null => (typeof x === "string" ? x : null);
  return {
    track: track.map((x) => BigInt(x as number | bigint)),
    terminal: track.map((_, i) => text(terminal[i])),
    plate: track.map((_, i) => text(plate[i])),
    p: track.map((_, i) => (Array.isArray(identity_p) && typeof identity_p[i] === "number" ? identity_p[i] : null)),
  };
}
