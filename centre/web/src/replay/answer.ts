/** Reads the answers of `/api/history` and of a violation's clip: snapshots as they came live, gaps, and the RSUs' states. */

import type { Rsu } from "../api.ts";
import { decode } from "../msgpack.ts";
import type { Value } from "../msgpack.ts";
import { readSnapshot } from "../snapshot.ts";
import type { Snapshot } from "../snapshot.ts";

/** A time without snapshots, of one RSU or (null) of all. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string;
  readonly esn: string | null;
}

/** The RSUs as they were from a time on. */
export interface RsusAt {
  readonly stampMs: number;
  readonly rows: readonly Rsu[];
}

export interface Answer {
  readonly fromMs: number;
  readonly toMs: number;
  /** Where the rest begins [ns, exact]; null: it is whole. */
  readonly next: bigint | null;
  readonly frames: readonly Snapshot[];
  readonly gaps: readonly Gap[];
  readonly rsus: readonly RsusAt[];
}

type Fields = Readonly<Record<string, Value>>;

/** Decode one answer; throws RangeError or TypeError with what is wrong with it. */
export function readAnswer(bytes: Uint8Array): Answer {
  const map = fields(decode(bytes));
  if (map["v"] !== 1) throw new TypeError(`version ${String(map["v"])}`);
  const { frames, gaps, rsus, next } = map;
  if (!Array.isArray(frames) || !Array.isArray(gaps) || !Array.isArray(rsus)) throw new TypeError("frames, gaps or rsus");
  return {
    fromMs: stamp(map["from_ns"]),
    toMs: stamp(map["to_ns"]),
    next: next === null || next === undefined ? null : BigInt(next as number | bigint),
    frames: frames.map((frame) => {
      if (!(frame instanceof Uint8Array)) throw new TypeError("frame");
      return readSnapshot(frame);
    }),
    gaps: gaps.map((gap) => readGap(fields(gap))),
    rsus: rsus.map((row) => {
      const at = fields(row);
      return { stampMs: stamp(at["stamp_ns"]), rows: JSON.parse(String(at["rows"])) as Rsu[] };
    }),
  };
}

function fields(value: Value | undefined): Fields {
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array) throw new TypeError("no map");
  return value;
}

function readGap(gap: Fields): Gap {
  const { esn } = gap;
  const [fromMs, toMs] = [stamp(gap["from_ns"]), stamp(gap["to_ns"])];
  return { fromMs, toMs, reason: String(gap["reason"]), esn: typeof esn === "string" ? esn : null };
}

function stamp(ns: Value | undefined): number {
  const ms = typeof ns === "number" || typeof ns === "bigint" || typeof ns === "string" ? Number(ns) / 1e6 : NaN;
  if (!Number.isFinite(ms)) throw new TypeError("a time");
  return ms;
}
