/** A canvas without a browser: keeps what was stroked, so that tests can ask what was drawn where and in which colour. */

import { readPalette } from "../src/draw.ts";

/** One stroke: its colour and the box around its path [px]. */
export interface Stroke {
  readonly colour: string;
  readonly box: readonly [number, number, number, number];
}

export class FakeCanvas {
  width = 0;
  height = 0;
  readonly style: Record<string, string> = {};
  readonly strokes: Stroke[] = [];
  readonly texts: string[] = [];
  readonly places: { word: string; x: number; y: number }[] = [];
  readonly parentElement: { clientWidth: number };

  constructor(widthPx = 800) {
    this.parentElement = { clientWidth: widthPx };
  }

  /** Colours are the tokens' names, as `--sel`. */
  getContext(): unknown {
    const { strokes, texts, places } = this;
    let path: [number, number][] = [];
    const at = (x: number, y: number): void => void path.push([x, y]);
    const box = (): Stroke["box"] =>
      [
        Math.min(...path.map((p) => p[0])), Math.min(...path.map((p) => p[1])), Math.max(...path.map((p) => p[0])),
        Math.max(...path.map((p) => p[1])),
      ];
    const ctx: Record<string, unknown> = {
      beginPath: () => (path = []), moveTo: at, lineTo: at,
      rect: (x: number, y: number, w: number, h: number) => (at(x, y), at(x + w, y + h)),
      arc: (x: number, y: number, r: number) => (at(x - r, y - r), at(x + r, y + r)),
      strokeRect: (x: number, y: number, w: number, h: number) => strokes.push(
        { colour: String(ctx["strokeStyle"]), box: [x, y, x + w, y + h] }
      ),
      stroke: () => path.length > 0 && strokes.push({ colour: String(ctx["strokeStyle"]), box: box() }),
      fillText: (value: string, x: number, y: number) => (texts.push(value), places.push({ word: value, x, y })),
      measureText: (value: string) => ({ width: value.length * 7 }),
      createPattern: () => null,
    };
    return new Proxy(
      ctx,
      {
        get: (target, key: string) => target[key] ?? (() => undefined), set: (target, key: string, value) => ((target[key] = value), true),
      },
    );
  }
}

/** What the drawing code asks a browser for; import this before it. */
const globals = globalThis as unknown as Record<string, unknown>;
globals["window"] ??= globalThis;
globals["innerWidth"] = 1_280;
globals["document"] = { documentElement: {}, createElement: () => new FakeCanvas() };
globals["getComputedStyle"] = () => ({ getPropertyValue: (name: string) => name });
globals["matchMedia"] = () => ({ matches: true });
readPalette();
