/** The road's own map as MapLibre style: lanes as polygons between their boundaries, lines, zones; nothing from a network. */

import type { StyleSpecification } from "maplibre-gl";
import type { Palette } from "./draw.ts";
import type { Site } from "./site.ts";
import { isHazmatLane } from "./site.ts";

type Coordinates = number[][];

/** Lanes as polygons and lines, the axis, gates and zones; `kind` says which. */
export function baseFeatures(map: GeoJSON.FeatureCollection, site: Site): GeoJSON.FeatureCollection {
  const features: GeoJSON.Feature[] = [];
  const add = (geometry: GeoJSON.Geometry, properties: Record<string, unknown>): number =>
    features.push({ type: "Feature", geometry, properties });
  const { axis } = site.body;
  if (axis !== null) add({ type: "LineString", coordinates: axis.lon.map((lon, i) => [lon, axis.lat[i]!]) }, { kind: "axis" });
  for (const feature of map.features) {
    const p = feature.properties ?? {};
    if (p["kind"] === "lane" && feature.geometry.type === "MultiLineString") {
      const [left, right] = feature.geometry.coordinates as [Coordinates, Coordinates];
      if (left === undefined || right === undefined) continue;
      const haz = isHazmatLane((p["allowed"] as string[] | undefined) ?? []);
      const ring = [...left, ...[...right].reverse(), left[0]!].map(([lon, lat]) => [lon!, lat!]);
      add({ type: "Polygon", coordinates: [ring] }, { kind: "lane", haz: haz ? 1 : 0, level: Number(p["level"] ?? 0) });
      add(
        { type: "LineString", coordinates: left },
        { kind: "line", dash: p["change_left"] === true ? 1 : 0, level: Number(p["level"] ?? 0) },
      );
      add(
        { type: "LineString", coordinates: right },
        { kind: "line", dash: p["change_right"] === true ? 1 : 0, level: Number(p["level"] ?? 0) },
      );
    } else if (p["kind"] === "gate") add(feature.geometry, { kind: "gate" });
    else if (p["kind"] === "zone" && p["role"] !== "weak_gnss") add(feature.geometry, { kind: "zone" });
  }
  return { type: "FeatureCollection", features };
}

export const NEAR = 14; // from this zoom on each lane is visible

export function baseStyle(features: GeoJSON.FeatureCollection, c: Palette): StyleSpecification {
  const kind = (value: string): ["==", ["get", string], string] => ["==", ["get", "kind"], value];
  return {
    version: 8,
    sources: { road: { type: "geojson", data: features, tolerance: 0.2, maxzoom: 18, buffer: 32 } },
    layers: [
      { id: "bg", type: "background", paint: { "background-color": c.bg } },
      { id: "zone", type: "fill", source: "road", filter: kind("zone"), paint: { "fill-color": c.raise, "fill-outline-color": c.line2 } },
      {
        id: "far", type: "line", source: "road", filter: kind("axis"), maxzoom: NEAR, layout: { "line-join": "round" },
        paint: { "line-color": c.haz, "line-width": 15 },
      },
      {
        id: "far-line", type: "line", source: "road", filter: kind("axis"), maxzoom: NEAR,
        paint: { "line-color": c.solid, "line-width": 1 },
      },
      {
        id: "lane", type: "fill", source: "road", filter: kind("lane"), minzoom: NEAR, layout: { "fill-sort-key": ["get", "level"] },
        paint: { "fill-color": ["case", ["==", ["get", "haz"], 1], c.haz, c.road], "fill-antialias": false },
      },
      {
        id: "solid", type: "line", source: "road", minzoom: NEAR, filter: ["all", kind("line"), ["==", ["get", "dash"], 0]],
        paint: { "line-color": c.solid, "line-width": 1.4 },
      },
      {
        id: "dash", type: "line", source: "road", minzoom: NEAR, filter: ["all", kind("line"), ["==", ["get", "dash"], 1]],
        paint: {
          "line-color": c.lane, "line-width": 1,
          "line-dasharray": ["step", ["zoom"], ["literal", [8, 8]], 17.5, ["literal", [36, 54]], 18.6, ["literal", [60, 90]]],
        },
      },
      {
        id: "gate", type: "line", source: "road", filter: kind("gate"), minzoom: NEAR, paint: { "line-color": c.solid, "line-width": 2.5 },
      },
    ],
  };
}
