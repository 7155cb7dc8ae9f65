/** Which grade each episode had when, as the centre stored its versions: a replay shows that of the moment. Pure. */

import type { Episode, Grade } from "../api.ts";
import { ms } from "../format.ts";
import { rank } from "../order.ts";

const PAGES_MAX = 25; // of 2 000 episodes: what is older is shown at its highest grade, and the bar says so

/** A grade, and since when it held [ms]. */
export interface Step {
  readonly atMs: number;
  readonly grade: Grade;
}

/** `/api/grades`. */
export interface GradesBody {
  readonly items: readonly { id: string; steps: readonly (readonly [string, Grade])[] }[];
  /** `before` of the next page, "start_ns_id"; null: there is none. */
  readonly next: string | null;
}

/** A mark of the time bar: where an episode began, and where it rose. */
export interface Mark {
  readonly episode: Episode;
  readonly atMs: number;
  readonly grade: Grade;
}

export class Grades {
  /** Counts what was added: what was made of it before may have changed. */
  changes = 0;
  /** What began before this is shown at its highest grade: that of the moment was not read [ms]. */
  unreadMs = -Infinity;
  private readonly byId = new Map<string, readonly Step[]>();

  /** Forget all, for a replay that begins. */
  clear(): void {
    this.changes += 1;
    this.unreadMs = -Infinity;
    this.byId.clear();
  }

  /** Read page after page, as many as are kept; `page` returns null to leave it. Returns whether it came to the end. */
  async read(page: (before: string | null) => Promise<GradesBody | null>): Promise<boolean> {
    let before: string | null = null;
    for (let n = 0; n < PAGES_MAX; n++) {
      const body: GradesBody | null = await page(before);
      if (body === null) return false;
      this.add(body);
      before = body.next;
      if (before === null) return true;
    }
    this.unreadMs = Math.max(this.unreadMs, ms(before!.slice(0, before!.indexOf("_"))));
    return true;
  }

  add(body: GradesBody): void {
    this.changes += 1;
    for (const { id, steps } of body.items) {
      if (steps.length > 0) this.byId.set(id, steps.map(([at, grade]) => ({ atMs: ms(at), grade })));
    }
  }

  /** The steps of an episode: the first from its start on; one at its highest grade where they are not known. */
  of(episode: Episode): readonly Step[] {
    const startMs = ms(episode.start_ns);
    const found = this.byId.get(episode.id) ?? [{ atMs: startMs, grade: episode.grade_max }];
    return [{ atMs: startMs, grade: found[0]!.grade }, ...found.slice(1)];
  }

  /** The moments from which on an episode is another one than before [ms]. */
  edges(episode: Episode): number[] {
    const edges = this.of(episode).map((step) => step.atMs);
    return episode.open ? edges : [...edges, endMs(episode)];
  }

  /** An episode as it was at a moment: open from its start to its end, with the grades that it had by then; null before it. */
  at(episode: Episode, tMs: number): Episode | null {
    if (tMs < ms(episode.start_ns)) return null;
    if (!lasts(episode, tMs)) return episode;
    const past = this.of(episode).filter((x, i) => i === 0 || x.atMs <= tMs);
    const highest = past.reduce((best, x) => (rank(x.grade) > rank(best.grade) ? x : best));
    return { ...episode, open: true, grade: past.at(-1)!.grade, grade_max: highest.grade, end_ns: null };
  }

  /** Where an episode began and where it rose, as far as that was an alarm; `all`: the chosen one, each grade of it. */
  marks(episode: Episode, all: boolean): Mark[] {
    const marks: Mark[] = [];
    for (const { atMs, grade } of this.of(episode)) {
      const top = marks.at(-1)?.grade;
      if (top === undefined || rank(grade) > rank(top)) marks.push({ episode, atMs, grade });
    }
    return all ? marks : marks.filter((x) => rank(x.grade) >= rank("warning"));
  }
}

/** Whether an episode lasted at a moment after its start. */
export function lasts(episode: Episode, tMs: number): boolean {
  return episode.open || tMs < endMs(episode);
}

function endMs(episode: Episode): number {
  return ms(episode.end_ns ?? episode.stamps.measured_ns);
}
