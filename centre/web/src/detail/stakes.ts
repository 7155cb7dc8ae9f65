/** The stakes of the detail strip: alarms whose vehicle no RSU reports, and the chosen one at its end, with words and age. */

import type { Episode } from "../api.ts";
import { isExerciseId } from "../desk/model.ts";
import { madeUpMark, madeUpVehicle, stake, stakeSpan, stakeText, textWidth } from "../draw.ts";
import type { Ctx, StakeWords } from "../draw.ts";
import { isAlarm } from "../order.ts";
import { placeWords } from "../places.ts";
import type { Site } from "../site.ts";
import type { State } from "../state.ts";
import { whereabouts } from "../where.ts";
import type { Where } from "../where.ts";
import { markHeight } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { inView, leader, placeLabel } from "./placing.ts";
import type { Free } from "./placing.ts";

const MADE_UP_PX = 18; // how long the vehicle of an exercise is drawn
const HEAD_PX = 12; // from one head to the next: marks that are nearer look like one
const ASIDE = [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5].map((n) => n * HEAD_PX);

export interface Stake {
  episode: Episode;
  where: Where;
}

/** A point of the strip [px]. */
interface Point {
  x: number;
  y: number;
}

/** A stake with the place of its head and of its words [px]. */
interface Standing extends Stake {
  foot: Point;
  head: Point;
  words: StakeWords;
  at: Point;
}

/** Alarms without a visible vehicle (silent RSUs, lost tracks), and the chosen one at its end: places with an age. */
export function places(state: State, site: Site): Stake[] {
  return [...state.episodes.values()]
    .filter((x) => x.id === state.selected || (x.open && isAlarm(x)))
    .map((episode) => ({ episode, where: whereabouts(state, site, episode) }))
    .filter(({ where }) => where.slot < 0 && !Number.isNaN(where.u));
}

/**
 * Where the stakes in view stand, the chosen one first: its words are beside it, in space that is reserved already. Heads of
 * stakes whose feet meet lean apart, from each other and from the marks of vehicles. Words are never dropped.
 */
export function stand(
  ctx: Ctx, f: Frame, state: State, stakes: readonly Stake[], marks: readonly Point[], free: Free,
): Standing[] {
  const heads: Point[] = [...marks];
  const rank = ({ episode }: Stake): number => (episode.id === state.selected ? Infinity : episode.order);
  const seen = [...stakes].sort((a, b) => rank(b) - rank(a)).filter(({ where }) => inView(f, f.x(where.s)));
  return seen.map(({ episode, where }) => {
    const foot = { x: f.x(where.s), y: f.y(where.u) };
    const y = markHeight(f, where.u);
    const isFree = (x: number): boolean => heads.every((other) => Math.hypot(other.x - x, other.y - y) >= HEAD_PX - 1);
    const chosen = episode.id === state.selected;
    const head = { x: foot.x + (chosen ? 0 : ASIDE.find((aside) => isFree(foot.x + aside)) ?? 0), y };
    heads.push(head);
    const words = placeWords(state, episode, where);
    const [from] = stakeSpan(ctx, head.x, f.right, words);
    const width = textWidth(ctx, words.plate, true) + 8 + textWidth(ctx, words.when);
    const [x, at] = chosen ? [from, y] : placeLabel(f, head.x, y, width, free);
    return { episode, where, foot, head, words, at: { x, y: at } };
  });
}

/** Draw them, the chosen one last: no other mark stands on its words. */
export function drawStakes(ctx: Ctx, f: Frame, state: State, standing: readonly Standing[]): void {
  for (const { episode, foot, head, words, at } of [...standing].reverse()) {
    const [from, to] = stakeSpan(ctx, head.x, f.right, words);
    const width = to - from;
    if (at.y !== head.y || at.x > head.x + HEAD_PX || at.x + width < head.x - HEAD_PX) {
      leader(ctx, head.x, head.y, at.x > head.x ? at.x - 2 : at.x + width + 2, at.y);
    }
    const chosen = episode.id === state.selected;
    const made = isExerciseId(episode.id);
    if (made && episode.open) madeUpVehicle(ctx, foot.x, foot.y, MADE_UP_PX, Math.max(6, 2.5 * f.perMetre));
    stake(ctx, episode.grade, foot.x, foot.y, foot.y - head.y, state.isUnseen(episode), chosen, head.x);
    if (made) madeUpMark(ctx, head.x, head.y);
    stakeText(ctx, at.x, at.y + 4, words);
  }
}
