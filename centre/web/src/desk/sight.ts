/** Which rows of a scrolling box are in sight or near it: only their texts are written, and only they blink. */

const MARGIN_PX = 120; // of rows above and below, so that scrolling meets written ones

export class Sight {
  private readonly inSight = new Set<string>();
  private readonly observer: IntersectionObserver;

  /** `entered` is called for a row that comes into sight. */
  constructor(box: HTMLElement, entered: (id: string) => void) {
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const row = entry.target as HTMLElement;
        const id = row.dataset["id"]!;
        row.toggleAttribute("data-near", entry.isIntersecting);
        if (!entry.isIntersecting) this.inSight.delete(id);
        else if (!this.inSight.has(id)) {
          this.inSight.add(id);
          entered(id);
        }
      }
    }, { root: box, rootMargin: `${MARGIN_PX}px 0px` });
  }

  /** Observe a new row; until the browser has seen where it stands, it counts as in sight. */
  add(row: HTMLElement): void {
    this.inSight.add(row.dataset["id"]!);
    this.observer.observe(row);
  }

  remove(row: HTMLElement): void {
    this.inSight.delete(row.dataset["id"]!);
    this.observer.unobserve(row);
  }

  has(id: string): boolean {
    return this.inSight.has(id);
  }
}
