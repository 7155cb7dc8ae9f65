/** The road under the close-up, on our own canvas: it follows a truck, and a moving MapLibre map would be drawn again in each frame. */

import type { Camera } from "./camera.ts";
import { colours } from "./draw.ts";
import type { Ctx } from "./draw.ts";
import type { Plane } from "./projection.ts";

const DASH_M = [6, 9]; // painted, gap

interface Shape {
  readonly kind: "zone" | "lane" | "gate" | "solid" | "dash";
  readonly haz: boolean;
  readonly level: number;
  /** x0, y0, x1, y1, … in metres of the plane. */
  readonly points: Float64Array;
  readonly box: readonly [number, number, number, number];
}

export class Ground {
  private readonly shapes: readonly Shape[];

  /** `features` are those of `baseFeatures`. */
  constructor(features: GeoJSON.FeatureCollection, plane: Plane) {
    const shapes = features.features.flatMap((feature) => shapesOf(feature, plane));
    this.shapes = shapes.sort((a, b) => a.level - b.level);
  }

  draw(ctx: Ctx, camera: Camera): void {
    const reach = Math.hypot(camera.w, camera.h) / 2 / camera.perMetre;
    const near = this.shapes.filter(
      ({ box: [x0, y0, x1, y1] }) => x0 < camera.x + reach && x1 > camera.x - reach && y0 < camera.y + reach && y1 > camera.y - reach
    );
    const c = colours();
    for (const shape of near) {
      if (shape.kind === "zone") fill(ctx, camera, shape, c.raise);
      else if (shape.kind === "lane") fill(ctx, camera, shape, shape.haz ? c.haz : c.road);
    }
    for (const shape of near) {
      if (shape.kind === "solid") stroke(ctx, camera, shape, c.solid, 1.4, []);
      else if (shape.kind === "gate") stroke(ctx, camera, shape, c.solid, 2.5, []);
      else if (shape.kind === "dash") stroke(ctx, camera, shape, c.lane, 1, DASH_M.map((m) => m * camera.perMetre));
    }
  }
}

function shapesOf(feature: GeoJSON.Feature, plane: Plane): Shape[] {
  const p = feature.properties ?? {};
  const kind = p["kind"] as string;
  const shape = (as: Shape["kind"], line: GeoJSON.Position[]): Shape => {
    const points = new Float64Array(line.length * 2);
    const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
    line.forEach(([lon, lat], i) => {
      const [x, y] = [plane.x(lon!), plane.y(lat!)];
      points.set([x, y], 2 * i);
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    });
    return { kind: as, haz: p["haz"] === 1, level: Number(p["level"] ?? 0), points, box };
  };
  const { geometry } = feature;
  if (geometry.type === "Polygon" && (kind === "lane" || kind === "zone")) return [shape(kind, geometry.coordinates[0] ?? [])];
  if (geometry.type !== "LineString") return [];
  if (kind === "line") return [shape(p["dash"] === 1 ? "dash" : "solid", geometry.coordinates)];
  return kind === "gate" ? [shape("gate", geometry.coordinates)] : [];
}

function trace(ctx: Ctx, camera: Camera, { points }: Shape): void {
  ctx.beginPath();
  for (let i = 0; i < points.length; i += 2) ctx.lineTo(camera.toX(points[i]!, points[i + 1]!), camera.toY(points[i]!, points[i + 1]!));
}

function fill(ctx: Ctx, camera: Camera, shape: Shape, colour: string): void {
  trace(ctx, camera, shape);
  ctx.fillStyle = colour;
  ctx.fill();
}

function stroke(ctx: Ctx, camera: Camera, shape: Shape, colour: string, width: number, dash: number[]): void {
  trace(ctx, camera, shape);
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.stroke();
  ctx.setLineDash([]);
}
