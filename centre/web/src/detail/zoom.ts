/** Zoom and drag of the detail strip and of the close-up: wheel at the pointer, drag, keys + − 0, double click. */

import type { State } from "../state.ts";
import { WINDOW_M } from "../state.ts";

export const WINDOW_M_MIN = 200;
const STEP = 1.25; // of one notch of the wheel, or one key
const DRAG_PX = 4; // less is a click
const CLOSE_MIN = 0.5;
const CLOSE_MAX = 6;
const SHIFT_M_MAX = 1_000; // farther from what it follows, the close-up would be another picture

/** Show more or less of the road; the station stays at its place of the strip. */
export function zoomWindow(state: State, factor: number, atM: number): void {
  const { site } = state;
  if (site === null) return;
  const length = site.to - site.from;
  const wanted = Math.max(Math.min(WINDOW_M_MIN, length), Math.min(length, state.windowM * factor));
  const share = (atM - state.windowFrom) / state.windowM;
  state.windowM = wanted;
  state.moveWindow(atM - share * wanted);
}

/** Four kilometres again, or all of a shorter road, about the same middle. */
export function resetWindow(state: State): void {
  const middle = state.windowFrom + state.windowM / 2;
  state.windowM = state.site === null ? WINDOW_M : Math.min(WINDOW_M, state.site.to - state.site.from);
  state.moveWindow(middle - WINDOW_M / 2);
}

export function zoomClose(state: State, factor: number): void {
  state.closeZoom = Math.max(CLOSE_MIN, Math.min(CLOSE_MAX, state.closeZoom * factor));
}

/** Drag the close-up by so many pixels; what was under the pointer stays under it. */
export function dragClose(state: State, dxPx: number, dyPx: number, perMetre: number): void {
  const bounded = (m: number): number => Math.max(-SHIFT_M_MAX, Math.min(SHIFT_M_MAX, m));
  const [a, b] = state.closeShift;
  state.closeShift = [bounded(a - dxPx / perMetre), bounded(b + dyPx / perMetre)];
}

export function isDragged(state: State): boolean {
  return state.closeShift[0] !== 0 || state.closeShift[1] !== 0;
}

interface Acts {
  /** A notch or key; `xPx` is where the pointer is, NaN for a key. */
  zoom(factor: number, xPx: number): void;
  reset(): void;
  /** The pointer was dragged by so many pixels, to the right and down. */
  drag(dxPx: number, dyPx: number): void;
}

/** Add the listeners of one canvas; a drag is no click. */
export function zoomable(canvas: HTMLCanvasElement, acts: Acts): void {
  let [lastX, lastY, moved] = [NaN, NaN, 0];
  const xOf = (event: MouseEvent): number => event.clientX - canvas.getBoundingClientRect().left;
  canvas.tabIndex = 0;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault(); // the page behind must not scroll
    acts.zoom(event.deltaY > 0 ? STEP : 1 / STEP, xOf(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", () => acts.reset());
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") acts.zoom(1 / STEP, NaN);
    else if (event.key === "-") acts.zoom(STEP, NaN);
    else if (event.key === "0") acts.reset();
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    [lastX, lastY, moved] = [xOf(event), event.clientY, 0];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (Number.isNaN(lastX)) return;
    const x = xOf(event);
    moved += Math.abs(x - lastX) + Math.abs(event.clientY - lastY);
    if (moved > DRAG_PX) {
      acts.drag(x - lastX, event.clientY - lastY);
      [lastX, lastY] = [x, event.clientY];
    }
  });
  for (const end of ["pointerup", "pointercancel"] as const) canvas.addEventListener(end, () => lastX = NaN);
  canvas.addEventListener("click", (event) => {
    if (moved > DRAG_PX) event.stopImmediatePropagation();
  }, { capture: true });
}
