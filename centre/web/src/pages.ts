/** Leafs through what the list does not hold: older episodes of a section, a page at a time, by the centre's cursor. */

import { get } from "./api.ts";
import type { Episode, Page } from "./api.ts";
import { PAGE_ROWS } from "./order.ts";
import type { SectionKey } from "./order.ts";

const KINDS: Readonly<Record<SectionKey, string>> = {
  secOpen: "kind=alarm&state=open", secEnded: "kind=alarm&state=closed", secRecord: "kind=record&state=all",
};

interface Leaf {
  readonly ids: readonly string[];
  readonly last: boolean;
}

export class Pages {
  private readonly leaves = new Map<SectionKey, Leaf[]>();
  private asking = false;
  private readonly fetchPage: (path: string) => Promise<Pick<Page, "items" | "next">>;

  constructor(fetchPage: (path: string) => Promise<Pick<Page, "items" | "next">> = (path) => get<Page>(path)) {
    this.fetchPage = fetchPage;
  }

  /** The rows of the page that each section is at; a section at its newest page is not in it. */
  current(): Map<SectionKey, readonly string[]> {
    return new Map([...this.leaves].map(([key, leaves]) => [key, leaves.at(-1)!.ids] as const));
  }

  /** Rows of newer pages than the one that a section is at. */
  skipped(key: SectionKey): number {
    return (this.leaves.get(key)?.length ?? 0) * PAGE_ROWS;
  }

  /** Whether no older page follows the one that a section is at; null while it is at its newest. */
  atEnd(key: SectionKey): boolean | null {
    return this.leaves.get(key)?.at(-1)?.last ?? null;
  }

  /** Turn to the page after the episode numbered `order`; false where there is none or the centre does not answer. */
  async older(key: SectionKey, order: number, take: (items: readonly Episode[]) => void): Promise<boolean> {
    if (this.asking) return false;
    this.asking = true;
    try {
      const { items, next } = await this.fetchPage(`/api/violations?${KINDS[key]}&limit=${PAGE_ROWS}&before=${order}`);
      if (items.length === 0) return false;
      this.leaves.set(key, [...(this.leaves.get(key) ?? []), { ids: items.map((x) => x.id), last: next === null }]);
      take(items);
      return true;
    } catch (error) {
      console.warn(error); // the button stays: it can be pressed again
      return false;
    } finally {
      this.asking = false;
    }
  }

  newer(key: SectionKey): void {
    const rest = (this.leaves.get(key) ?? []).slice(0, -1);
    if (rest.length === 0) this.leaves.delete(key);
    else this.leaves.set(key, rest);
  }

  /** Back to the newest page. */
  close(key: SectionKey): void {
    this.leaves.delete(key);
  }
}
