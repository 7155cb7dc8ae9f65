/** The two map panes: the whole road as a still MapLibre map with our own canvas above it, and the close-up as a canvas alone. */

import { Map as GlMap, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import { baseStyle } from "./basemap.ts";
import { Camera } from "./camera.ts";
import { colours, FONT } from "./draw.ts";
import { Ground } from "./ground.ts";
import type { Site } from "./site.ts";

setWorkerUrl(workerUrl);

/** The close-up: road and vehicles on one canvas. */
export class ClosePane {
  readonly camera = new Camera();
  readonly canvas: HTMLCanvasElement;
  readonly ground: Ground;
  private readonly el: HTMLElement;

  constructor(el: HTMLElement, site: Site, features: GeoJSON.FeatureCollection) {
    this.el = el;
    this.canvas = el.querySelector<HTMLCanvasElement>(":scope > canvas")!;
    this.ground = new Ground(features, site.plane);
  }

  measure(): void {
    this.camera.w = this.el.clientWidth;
    this.camera.h = this.el.clientHeight;
  }
}

/** The road as a still map of the whole; the canvas above it holds what moves. */
export class Pane {
  readonly camera = new Camera();
  readonly canvas: HTMLCanvasElement;
  readonly gl: GlMap;
  private shown = "";
  private readonly el: HTMLElement;
  private readonly site: Site;
  private readonly features: GeoJSON.FeatureCollection;

  constructor(el: HTMLElement, site: Site, features: GeoJSON.FeatureCollection) {
    this.el = el;
    this.site = site;
    this.canvas = el.querySelector<HTMLCanvasElement>(":scope > canvas")!;
    this.features = features;
    this.gl = new GlMap({
      container: el.querySelector<HTMLElement>(".gl")!,
      style: baseStyle(this.features, colours()),
      center: site.body.origin,
      zoom: 10,
      maxZoom: 22,
      maxPitch: 0,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      attributionControl: false,
      renderWorldCopies: false,
      fadeDuration: 0,
      localIdeographFontFamily: FONT,
    });
    this.gl.touchZoomRotate.disableRotation();
    this.gl.keyboard.disableRotation();
  }

  /** Take the theme's colours. */
  restyle(): void {
    this.gl.setStyle(baseStyle(this.features, colours()), { diff: true });
  }

  measure(): void {
    this.camera.w = this.el.clientWidth;
    this.camera.h = this.el.clientHeight;
  }

  /** Move the map to the camera; one that need not move is not drawn again. */
  show(): void {
    const { camera } = this;
    const view = [camera.x, camera.y, camera.turn, camera.perMetre, camera.w, camera.h].join();
    if (view === this.shown) return;
    this.shown = view;
    this.gl.jumpTo({
      center: this.site.plane.lonLat(camera.x, camera.y),
      zoom: this.site.plane.zoom(camera.perMetre),
      bearing: (-camera.turn * 180) / Math.PI,
    });
  }

  /** Take over where the user moved the map. */
  read(): void {
    const { camera } = this;
    const centre = this.gl.getCenter();
    camera.x = this.site.plane.x(centre.lng);
    camera.y = this.site.plane.y(centre.lat);
    camera.perMetre = this.site.plane.pixelsPerMetre(this.gl.getZoom());
    camera.turn = (-this.gl.getBearing() * Math.PI) / 180;
  }
}
