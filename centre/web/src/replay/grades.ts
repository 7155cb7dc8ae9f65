/** Which grade each episode had when, as the centre stored its versions: a replay shows that of the moment. Pure. */

import type { Episode, Grade } from "../api.ts";
import { ms } from "../format.ts";
import { rank } from "../order.ts";
import type { State } from "../state.ts";

const PAGES_MAX = 25; // of 2 000 episodes: what is older is shown at its highest grade, and the bar says so

/** A grade, and since when it held [ms]. */
export interface Step {
  readonly atMs: number;
  readonly grade: Grade;
}

/** `/api/grades`. */
export interface GradesBody {
  readonly items: readonly { id: string; start_ns: string; end_ns: string | null; steps: readonly (readonly [string, Grade])[] }[];
  /** `before` of the next page, "start_ns_id"; null: there is none. */
  readonly next: string | null;
}

/** From when until when an episode lasted [ms]; Infinity: it lasts. */
interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** A mark of the time bar: where an episode began, and where it rose. */
export interface Mark extends Span {
  readonly id: string;
  readonly atMs: number;
  readonly grade: Grade;
}

export class Grades {
  /** Counts what was added: what was made of it before may have changed. */
  changes = 0;
  /** What began before this is shown at its highest grade: that of the moment was not read [ms]. */
  unreadMs = -Infinity;
  private readonly byId = new Map<string, Span & { readonly steps: readonly Step[] }>();
  private made: { of: string; marks: readonly Mark[] } | null = null;

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
    for (const { id, start_ns, end_ns, steps } of body.items) {
      const endMs = end_ns === null ? Infinity : ms(end_ns);
      const held = this.byId.get(id);
      if (steps.length === 0 || (held?.endMs === endMs && held.steps.length === steps.length)) continue;
      this.byId.set(id, { startMs: ms(start_ns), endMs, steps: steps.map(([at, grade]) => ({ atMs: ms(at), grade })) });
      this.changes += 1;
    }
  }

  /** The steps of an episode: the first from its start on; one at its highest grade where they are not known. */
  of(episode: Episode): readonly Step[] {
    const startMs = ms(episode.start_ns);
    return since(startMs, this.byId.get(episode.id)?.steps ?? [{ atMs: startMs, grade: episode.grade_max }]);
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

  /**
   * Where each episode of the kept time began and where it rose, as far as that was an alarm, in the order of time; of the chosen one
   * all grades. What the page holds is as it is there; the centre names many more than a page holds.
   */
  marks(live: Pick<State, "episodes" | "changes" | "selected">): readonly Mark[] {
    const of = `${this.changes} ${live.changes} ${live.selected}`;
    if (this.made?.of === of) return this.made.marks;
    const marks: Mark[] = [];
    const add = (id: string, startMs: number, endMs: number, steps: readonly Step[]): void => {
      let top: Grade | null = null;
      for (const { atMs, grade } of steps) {
        if (top !== null && rank(grade) <= rank(top)) continue;
        top = grade;
        if (id === live.selected || rank(grade) >= rank("warning")) marks.push({ id, startMs, endMs, atMs, grade });
      }
    };
    for (const x of live.episodes.values()) add(x.id, ms(x.start_ns), x.open ? Infinity : endMs(x), this.of(x));
    for (const [id, { startMs, endMs, steps }] of this.byId) if (!live.episodes.has(id)) add(id, startMs, endMs, since(startMs, steps));
    marks.sort((a, b) => a.atMs - b.atMs);
    this.made = { of, marks };
    return marks;
  }
}

function since(startMs: number, steps: readonly Step[]): readonly Step[] {
  return [{ atMs: startMs, grade: steps[0]!.grade }, ...steps.slice(1)];
}

/** Whether an episode lasted at a moment after its start. */
export function lasts(episode: Episode, tMs: number): boolean {
  return episode.open || tMs < endMs(episode);
}

function endMs(episode: Episode): number {
  return ms(episode.end_ns ?? episode.stamps.measured_ns);
}
