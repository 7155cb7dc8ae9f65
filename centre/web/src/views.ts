/** What a view of the page is: mounted once, drawn at its own rate, and able to say what a click on it means. */

import { pointIn } from "./draw.ts";
import type { State } from "./state.ts";

/** What a click chooses: an episode, a vehicle by its slot in the fleet, or a station of the road [m]. */
export type Picked =
  | { readonly kind: "episode"; readonly id: string }
  | { readonly kind: "vehicle"; readonly slot: number }
  | { readonly kind: "station"; readonly sM: number };

/** What a view may use of the page: its state, and where to pass what a click means. */
export interface Host {
  readonly state: State;
  choose(picked: Picked): void;
}

/**
 * How often a view is drawn. `alarm`: as soon as an alarm arrives, and with the text; `text`: once or twice a second;
 * `road`: the whole road, up to four times a second; `strip`: up to sixteen times a second; `frame`: each frame.
 */
export type Rate = "alarm" | "text" | "road" | "strip" | "frame";

export interface View {
  readonly rate: Rate;
  /** Add its listeners; called once, before the first drawing. */
  mount(host: Host): void;
  /** Draw the state; `now` is performance.now(). */
  draw(state: State, now: number): void;
  /** What lies under a pixel of its drawing; null: nothing that can be chosen. */
  pick?(state: State, xPx: number, yPx: number): Picked | null;
}

/** A view without listeners of its own that writes into one element. */
export function textView(rate: Rate, el: HTMLElement, draw: (el: HTMLElement, state: State) => void): View {
  return { rate, mount: () => undefined, draw: (state) => draw(el, state) };
}

/** Let a click on a view's canvas choose what the view picks there. */
export function pickOnClick(canvas: HTMLCanvasElement, view: Required<View>, host: Host): void {
  canvas.addEventListener("click", (event) => {
    const picked = view.pick(host.state, ...pointIn(canvas, event));
    if (picked !== null) host.choose(picked);
  });
}

/** The views of one screen of the page, in the order in which they are drawn. */
export class Screen {
  private readonly state: State;
  private readonly views: readonly View[];

  constructor(state: State, views: readonly View[]) {
    this.state = state;
    this.views = views;
  }

  mount(choose: (picked: Picked) => void): void {
    for (const view of this.views) view.mount({ state: this.state, choose });
  }

  draw(rate: Rate, now: number): void {
    for (const view of this.views) if (view.rate === rate) view.draw(this.state, now);
  }
}
