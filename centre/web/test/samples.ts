/** Made-up messages for the tests: a small MessagePack writer and snapshots as an RSU packs them. */

import type { Episode } from "../src/api.ts";

const DTYPE: readonly [string, string][] = [
  ["track", "<u8"], ["lon_e7", "<i4"], ["lat_e7", "<i4"], ["dt_ms", "<i2"], ["speed_cmps", "<u2"], ["course_cdeg", "<u2"],
  ["sigma_cm", "<u2"],
  ["lane", "<u2"], ["s_dm", "<u4"], ["d_cm", "<i2"], ["p_lane", "|u1"], ["length_dm", "|u1"], ["class", "|u1"], ["flags", "|u1"],
];

type Packed = null | boolean | number | bigint | string | Uint8Array | Packed[] | { [key: string]: Packed };

/** Encode with the widest forms, which every decoder must know. */
export function pack(value: Packed): Uint8Array {
  const out: number[] = [];
  write(out, value);
  return Uint8Array.from(out);
}

function write(out: number[], value: Packed): void {
  const big = (head: number, x: bigint): void => {
    out.push(head);
    for (let i = 7n; i >= 0n; i--) out.push(Number((x >> (8n * i)) & 255n));
  };
  const sized = (head: number, n: number): number => out.push(head, (n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  if (value === null) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "bigint") value < 0n ? big(0xd3, BigInt.asUintN(64, value)) : big(0xcf, value);
  else if (typeof value === "number" && Number.isInteger(value)) {
    value < 0 ? big(0xd3, BigInt.asUintN(64, BigInt(value))) : big(0xcf, BigInt(value));
  }
  else if (typeof value === "number") out.push(0xcb, ...new Uint8Array(new Float64Array([value]).buffer).reverse());
  else if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    sized(0xdb, bytes.length);
    out.push(...bytes);
  } else if (value instanceof Uint8Array) {
    sized(0xc6, value.length);
    out.push(...value);
  } else if (Array.isArray(value)) {
    sized(0xdd, value.length);
    for (const x of value) write(out, x);
  } else {
    sized(0xdf, Object.keys(value).length);
    for (const [key, x] of Object.entries(value)) {
      write(out, key);
      write(out, x);
    }
  }
}

export interface Car {
  track: bigint;
  lon: number;
  lat: number;
  dtMs?: number;
  speed?: number;
  course?: number;
  lane?: number;
  s?: number;
  d?: number;
  kind?: number;
  flags?: number;
}

/** One `track/up` payload; `more` adds or replaces members. `signed`: of a site whose axis begins below 0. */
export function snapshotBytes(
  esn: string, stampMs: number, cars: readonly Car[], more: { [key: string]: Packed } = {}, signed = false,
): Uint8Array {
  const dtype = signed ? [...DTYPE, ["s_signed_dm", "<i4"] as const] : DTYPE;
  const itemBytes = signed ? 40 : 36;
  const view = new DataView(new ArrayBuffer(cars.length * itemBytes));
  cars.forEach((car, i) => {
    const at = i * itemBytes;
    view.setBigUint64(at, car.track, true);
    view.setInt32(at + 8, Math.round(car.lon * 1e7), true);
    view.setInt32(at + 12, Math.round(car.lat * 1e7), true);
    view.setInt16(at + 16, car.dtMs ?? 0, true);
    view.setUint16(at + 18, Math.round((car.speed ?? 0) * 100), true);
    view.setUint16(at + 20, Math.round((car.course ?? 0) * 100), true);
    view.setUint16(at + 22, 17, true);
    view.setUint16(at + 24, car.lane ?? 65535, true);
    view.setUint32(at + 26, car.s === undefined || car.s < 0 ? 4294967295 : Math.round(car.s * 10), true);
    view.setInt16(at + 30, car.d === undefined ? -32768 : Math.round(car.d * 100), true);
    view.setUint8(at + 32, 255);
    view.setUint8(at + 33, 120);
    view.setUint8(at + 34, car.kind ?? 4);
    view.setUint8(at + 35, car.flags ?? 3);
    if (signed) view.setInt32(at + 36, car.s === undefined ? -2147483648 : Math.round(car.s * 10), true);
  });
  return pack(
    {
      v: 1, esn, seq: 1, stamp_ns: BigInt(stampMs) * 1_000_000n, n: cars.length, dtype: dtype.map((x) => [...x]),
      data: new Uint8Array(view.buffer), ...more,
    }
  );
}

export function episode(id: string, order: number, more: Partial<Episode> = {}): Episode {
  return {
    id, order, version: 1, hop: 0, phase: "open", grade: "warning", grade_max: "warning", rule: "lane_departure", vehicle: null,
    identity_p: null,
    track: "1", esn: "A", start_ns: "0", confirmed_ns: null, end_ns: null, lon_deg: 0, lat_deg: 0, lane: null, zone: null, s_m: null,
    d_m: null,
    sigma_d_m: null, p_violation: 1, speed_mps: 0, limit_mps: null, map_version: "1", rules_version: "1",
    stamps: { measured_ns: "0", arrived_ns: "0" },
    reason: null, late: false, open: true, excess_m: null, excess_m_max: null, p_violation_max: 1, versions: 1, hops: ["A"],
    last_violating_ns: null, first_detected_ns: null, first_sent_ns: null, decided: null, detected_ns: null, sent_ns: null,
    received_ns: null, committed_ns: null,
    first_committed_ns: null, latency_ms: null, ...more,
  };
}
