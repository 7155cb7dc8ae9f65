/** Made-up answers of the history. */

import type { Answer } from "../src/replay/answer.ts";
import type { Snapshot } from "../src/snapshot.ts";
import { Axis, Plane } from "../src/projection.ts";
import type { Ground } from "../src/fleet.ts";
import { readSnapshot } from "../src/snapshot.ts";

export const LanePlace = { centreM: -4, direction: 1, onStrip: true } as const;
const plane = new Plane(122, 41);
export const ground: Ground = {
  plane, axis: new Axis([0, 10_000], [0, 10_000], [0, 0]), lane: (name) => (name === "south" ? LanePlace : undefined),
};

const COLUMNS = [["track", "<u8"], ["lon_e7", "<i4"], ["lat_e7", "<i4"], ["speed_cmps", "<u2"], ["course_cdeg", "<u2"], ["lane", "<u2"],
  ["s_dm", "<u4"], ["d_cm", "<i2"], ["class", "|u1"], ["flags", "|u1"]] as const;

/** A snapshot of one truck at a station [m]. */
export function frame(stampMs: number, sM: number, { esn, named }: { esn: string; named: boolean }): Snapshot {
  const data = new DataView(new ArrayBuffer(30));
  data.setBigUint64(0, 7n, true);
  data.setInt32(8, 1_220_000_000, true);
  data.setInt32(12, 410_000_000, true);
  data.setUint16(16, 2_000, true);
  data.setUint16(18, 9_000, true);
  data.setUint16(20, 0, true);
  data.setUint32(22, Math.round(sM * 10), true);
  data.setInt16(26, 0, true);
  data.setUint8(28, 4);
  data.setUint8(29, 1);
  return readSnapshot(pack({
    v: 1, esn, seq: 1, stamp_ns: BigInt(stampMs) * 1_000_000n, n: 1, dtype: COLUMNS.map((x) => [...x]), data: new Uint8Array(data.buffer),
    ...(named ? { lanes: ["south"], names: { track: [7], terminal: ["t"], plate: ["P1"], identity_p: [1] } } : {}),
  }));
}

export function answerOf(fromMs: number, toMs: number, frames: readonly Snapshot[]): Answer {
  return { fromMs, toMs, next: null, frames, gaps: [], rsus: [] };
}

/** MessagePack of the values that the wire has. */
export function pack(value: unknown): Uint8Array {
  const out: number[] = [];
  write(value, out);
  return Uint8Array.from(out);
}

function write(value: unknown, out: number[]): void {
  const size = (n: number): number[] => [(n >> 24) & 255, (n >> 16) & 255, (n >> 8) & 255, n & 255];
  if (value === null) out.push(0xc0);
  else if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 31) out.push(0xce, ...size(value));
  else if (typeof value === "bigint") {
    out.push(0xcf);
    for (let shift = 56n; shift >= 0n; shift -= 8n) out.push(Number((value >> shift) & 255n));
  } else if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    out.push(0xdb, ...size(bytes.length), ...bytes);
  } else if (value instanceof Uint8Array) out.push(0xc6, ...size(value.length), ...value);
  else if (Array.isArray(value)) {
    out.push(0xdd, ...size(value.length));
    for (const each of value) write(each, out);
  } else if (typeof value === "object") {
    const entries = Object.entries(value as Record<string, unknown>);
    out.push(0xdf, ...size(entries.length));
    for (const [key, each] of entries) {
      write(key, out);
      write(each, out);
    }
  } else throw new TypeError(String(value));
}
