/** Violations that an RSU detected before its clock was set: their times by their arrival, as the centre's search has them. Pure. */

import type { Episode, EpisodeDetail, Version } from "./api.ts";

type Ns = string | null;
type Timed = Pick<Episode, "clock_unset" | "detected_ns" | "received_ns" | "start_ns" | "confirmed_ns" | "end_ns" | "stamps"> & {
  last_violating_ns?: Ns;
  evidence?: Record<string, unknown>;
};

const COLUMNS = ["stamp_ns", "t_ns"]; // of the evidence

/**
 * The times of an episode or version whose RSU's clock was never set, moved so that its detection is its arrival: `detected_ns` is
 * `received_ns` then, so that moving it again changes nothing. It stays marked; any other is returned as it is.
 */
export function byArrival<T extends Timed>(x: T, shiftNs: bigint = shiftOf(x)): T {
  if (x.clock_unset !== true || shiftNs === 0n) return x;
  const moved = (at: Ns): Ns => (at === null ? null : String(BigInt(at) + shiftNs));
  const more = x.last_violating_ns === undefined ? {} : { last_violating_ns: moved(x.last_violating_ns) };
  return {
    ...x, ...more, start_ns: moved(x.start_ns)!, confirmed_ns: moved(x.confirmed_ns), end_ns: moved(x.end_ns),
    detected_ns: moved(x.detected_ns),
    stamps: { ...x.stamps, measured_ns: moved(x.stamps.measured_ns)!, arrived_ns: moved(x.stamps.arrived_ns)! },
    ...(x.evidence === undefined ? {} : { evidence: movedColumns(x.evidence, shiftNs) }),
  };
}

/** An episode with all its versions, which one clock saw: they are moved alike, so that one time axis holds them. */
export function detailByArrival(detail: EpisodeDetail): EpisodeDetail {
  const shiftNs = shiftOf(detail.episode);
  if (shiftNs === 0n) return detail;
  return { episode: byArrival(detail.episode), versions: detail.versions.map((x: Version) => byArrival(x, shiftNs)) };
}

/** By how much the RSU's clock was behind when it detected the shown version, the way to the centre included [ns]. */
function shiftOf(x: Timed): bigint {
  if (x.clock_unset !== true || x.detected_ns === null || x.received_ns === null) return 0n;
  return BigInt(x.received_ns) - BigInt(x.detected_ns);
}

function movedColumns(evidence: Record<string, unknown>, shiftNs: bigint): Record<string, unknown> {
  const moved = { ...evidence };
  for (const name of COLUMNS) {
    const stamps = evidence[name];
    if (Array.isArray(stamps)) moved[name] = stamps.map((at) => String(BigInt(at as string) + shiftNs));
  }
  return moved;
}
