/** The words on the stake of an episode without a visible vehicle: it has ended, or no RSU reports the vehicle any more. */

import type { Episode } from "./api.ts";
import { isExerciseId } from "./desk/model.ts";
import type { StakeWords } from "./draw.ts";
import { age, byName, moment, shortPlate } from "./format.ts";
import type { State } from "./state.ts";
import type { Where } from "./where.ts";
import { t } from "./words.ts";

/** How long ago that was, in whole seconds. */
export function agoOf(state: State, where: Where): string {
  const s = Math.max(0, (state.viewMs() - where.atMs) / 1_000);
  return Number.isFinite(s) && s < 60 ? `${Math.floor(s)} s` : age(s);
}

/** What a vehicle is called in a picture: as a person corrected it, else as its track is named, else as its episode states it. */
export function labelOf(state: State, episode: Episode | null, tracked = "", p = 1): string {
  const corrected = episode === null ? null : state.desk.of(episode.id).plate;
  if (corrected === null && tracked !== "") return byName(shortPlate(tracked), p) || t("unknown");
  return shortPlate(corrected ?? episode?.vehicle?.plate ?? episode?.vehicle?.terminal ?? "") || t("unknown");
}

export function placeWords(state: State, episode: Episode, where: Where): StakeWords {
  const made = isExerciseId(episode.id);
  const own = labelOf(state, episode);
  const plate = made ? `${t("exercise")} ${own.replace(/^演练·/, "")}` : own; // the word once, in the page's language
  if (!episode.open) return { plate, struck: true, when: t("endedAt", { t: moment(where.atMs, state.nowMs()) }) };
  if (made) return { plate, struck: false, when: t("simulated") };
  return { plate, struck: false, when: t("lastSeen", { t: agoOf(state, where) }) };
}
