/** What traffic shows that radars' poses are off by, in words: state, each error with its sigma, what is applied. */

import type { Pose, Rsu } from "./api.ts";
import { moment, ms, signed } from "./format.ts";
import type { Word } from "./words.ts";
import { t, wordOf } from "./words.ts";

const DEGREES = 180 / Math.PI;
/** Word, factor to its unit, unit, decimals; in the order of the errors. */
const PARTS: readonly (readonly [Word, number, string, number])[] = [
  ["poseEast", 1, "m", 2], ["poseNorth", 1, "m", 2], ["poseTurn", DEGREES, "°", 2], ["poseTime", 1_000, "ms", 0], ["poseRange", 1, "m", 2],
];
const ALARMED = ["beyond", "drifting"];

/** Whether somebody must look at the radar. */
export function isMisplaced(pose: Pose): boolean {
  return ALARMED.includes(pose.state);
}

/** One pair for each radar: its name, and what it is off by. */
export function poseFacts(x: Pick<Rsu, "registration">, nowMs: number): [string, string][] {
  return Object.entries(x.registration ?? {}).map(([sensor, pose]) => {
    const parts = PARTS.map(([word, factor, unit, digits], k) => {
      const value = `${signed(pose.estimate[k]! * factor, digits)} ± ${(pose.sigma[k]! * factor).toFixed(digits)} ${unit}`;
      const applied = pose.applied[k]! * factor;
      return `${t(word)} ${value}${applied === 0 ? "" : ` (${t("poseApplied")} ${signed(applied, digits)})`}`;
    });
    const since = pose.since_ns === null ? "" : ` · ${t("poseSince")} ${moment(ms(pose.since_ns), nowMs)}`;
    const about = `${wordOf("pose", pose.state)} · ${parts.join(" · ")} · ${t("poseTrucks", { n: pose.n_trucks })}${since}`;
    return [`${isMisplaced(pose) ? "▲ " : ""}${sensor}`, about];
  });
}
