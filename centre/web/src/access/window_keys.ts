/** The overview's window by keyboard: the strip of the whole road is a slider whose value is where the detail begins. */

import { station } from "../format.ts";
import { WINDOW_M } from "../state.ts";
import type { State } from "../state.ts";
import { t } from "../words.ts";

const STEP_M = 500;
const STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -STEP_M, ArrowRight: STEP_M, ArrowDown: -STEP_M, ArrowUp: STEP_M, PageDown: -WINDOW_M, PageUp: WINDOW_M,
};

/** Make the canvas a slider; `move` gets where the detail is to begin [m]. */
export function addWindowKeys(canvas: HTMLCanvasElement, state: State, move: (fromM: number) => void): void {
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "slider");
  canvas.addEventListener("keydown", (event) => {
    const { site } = state;
    if (site === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = STEPS[event.key];
    const to = event.key === "Home" ? site.from : event.key === "End" ? site.to : by === undefined ? NaN : state.windowFrom + by;
    if (Number.isNaN(to)) return;
    event.preventDefault();
    move(to);
  });
}

/** Say where the window is. */
export function describeWindow(canvas: HTMLCanvasElement, state: State): void {
  const { site, windowFrom } = state;
  const values = {
    "aria-valuemin": String(Math.round(site?.from ?? 0)),
    "aria-valuemax": String(Math.round(Math.max(site?.from ?? 0, (site?.to ?? 0) - WINDOW_M))),
    "aria-valuenow": String(Math.round(windowFrom)),
    "aria-valuetext": t("windowAt", { a: station(windowFrom), b: station(windowFrom + WINDOW_M) }),
  };
  for (const [key, value] of Object.entries(values)) if (canvas.getAttribute(key) !== value) canvas.setAttribute(key, value);
}
