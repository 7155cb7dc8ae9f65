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

/** A part of the page with its own views, drawn in their order. Its `root` is hidden while another screen is shown. */
export class Screen {
  readonly root: HTMLElement | null;
  private readonly views: readonly View[];

  /** Without a `root` the screen is always visible. */
  constructor(views: readonly View[], root: HTMLElement | null = null) {
    this.views = views;
    this.root = root;
  }

  mount(host: Host): void {
    for (const view of this.views) view.mount(host);
  }

  draw(state: State, rate: Rate, now: number): void {
    for (const view of this.views) if (view.rate === rate) view.draw(state, now);
  }
}

/** All screens of the page: the frame around them, which is always drawn, and those of which one is shown. */
export class Screens {
  private readonly state: State;
  private readonly frame: Screen;
  private readonly screens: readonly Screen[];
  private shown: Screen;

  /** The first of `screens` is shown until `show` is called. */
  constructor(state: State, frame: Screen, screens: readonly [Screen, ...Screen[]]) {
    this.state = state;
    this.frame = frame;
    this.screens = screens;
    this.shown = screens[0];
  }

  /** Mount the views of all screens, once, and hide the screens that are not shown. */
  mount(choose: (picked: Picked) => void): void {
    for (const screen of [this.frame, ...this.screens]) screen.mount({ state: this.state, choose });
    this.show(this.shown);
  }

  shows(screen: Screen): boolean {
    return this.shown === screen;
  }

  show(screen: Screen): void {
    this.shown = screen;
    for (const { root } of this.screens) if (root !== null) root.hidden = root !== screen.root;
  }

  /** Draw the views of a rate, first those of the frame. */
  draw(rate: Rate, now: number): void {
    this.frame.draw(this.state, rate, now);
    this.shown.draw(this.state, rate, now);
  }
}
