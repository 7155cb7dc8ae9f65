/** The desk's boxes in the header: what waits by grade, the sound, and who is on duty. */

import { whoAmI } from "../accounts/me.ts";
import { escape } from "../format.ts";
import { markSvg } from "../icons.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";
import type { Word } from "../words.ts";
import { unseen } from "./alarms.ts";
import type { SoundState } from "./sound.ts";

/** How many alarms wait, by grade: a filled mark and a number each. */
export function waitingHtml(state: State): string {
  const n = unseen(state);
  const parts = [
    n.violation > 0 ? `${markSvg("violation", 6, true)}${n.violation}` : "",
    n.warning > 0 ? `${markSvg("warning", 6, true)}${n.warning}` : "",
    n.loss > 0 ? `<span class="lossbox">${t("lossS")}</span>${n.loss}` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "0" : parts.join(" ");
}

const WORDS: Readonly<Record<SoundState, Word>> = {
  off: "soundOff", none: "soundNone", ask: "soundAsk", other: "soundOther", muted: "soundMuted", rings: "soundRings", ready: "soundOn",
};

/** The sound's state as the header says it. */
export function soundHtml(sound: SoundState, mutedMs: number): string {
  const needs = sound === "ask" || sound === "none" ? "▲ " : "♪ ";
  return `${needs}${t(WORDS[sound], { t: Math.ceil(mutedMs / 1_000) })}`;
}

/** The button that silences; in a narrow header it also says that the sound is not ready. */
export function muteHtml(sound: SoundState, mutedMs: number): string {
  const word = sound === "muted" ? t("soundMuted", { t: Math.ceil(mutedMs / 1_000) }) : t("silence");
  return `<span aria-hidden="true">♪ </span>${word}`;
}

/** Who is on duty: the first name, and how many desks. */
export function dutyHtml(state: State): string {
  const n = state.summary?.desk?.operators ?? 0;
  const me = whoAmI();
  if (n === 0) return `▲ ${t("dutyNobody")}`;
  return `${me === null ? "" : `${escape(me.display || me.name)} · `}${n === 1 ? t("dutyDesk") : t("dutyDesks", { n })}`;
}
