/** The two map panes: the whole road as a still MapLibre map with our own canvas above it, and the close-up as a canvas alone. */

import { Map as GlMap, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import { baseStyle } from "./basemap.ts";
import { Camera } from "./camera.ts";
import { colours, FONT, pixelRatio } from "./draw.ts";
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

/** The view that a map is to show: middle [m of the plane], turn [rad, as the camera's], pixels per metre. */
export interface Viewpoint {
  readonly x: number;
  readonly y: number;
  readonly turn: number;
  readonly perMetre: number;
}

/** The road as a MapLibre map; the canvas above it holds what moves.
 *
 * The map's own camera is the only truth: ours is read from it after each movement (wheel, drag, pinch, keys, inertia,
 * our own fit, a new size), and our canvas is drawn in the same frame as the map.
 */
export class Pane {
  readonly camera = new Camera();
  readonly canvas: HTMLCanvasElement;
  readonly gl: GlMap;
  /** Whether the user has moved the map away from the view of `show`. */
  moved = false;
  private showing = false;
  private drawnAt = "";
  private size = "";
  private readonly el: HTMLElement;
  private readonly site: Site;
  private readonly features: GeoJSON.FeatureCollection;

  /** `redraw` draws the canvas above the map. */
  constructor(el: HTMLElement, site: Site, features: GeoJSON.FeatureCollection, redraw: (pane: Pane) => void) {
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
      bearingSnap: 0, // a road that runs nearly east must not be turned north up after a drag
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      trackResize: false, // `resize` does, at once with ours
      attributionControl: false,
      renderWorldCopies: false,
      fadeDuration: 0,
      localIdeographFontFamily: FONT,
    });
    this.gl.touchZoomRotate.disableRotation();
    this.gl.keyboard.disableRotation();
    this.gl.on("move", () => {
      if (!this.showing) this.moved = true;
    });
    this.gl.on("render", () => {
      this.read();
      if (this.view !== this.drawnAt) redraw(this);
    });
    Object.assign(el, { pane: this }); // for the browser's console and its tests
  }

  /** Apply the theme's colours. */
  restyle(): void {
    this.gl.setStyle(baseStyle(this.features, colours()), { diff: true });
  }

  /** Apply the size of the box; return whether it is a new one. */
  resize(): boolean {
    const size = [this.el.clientWidth, this.el.clientHeight, pixelRatio()].join();
    if (size === this.size) return false; // MapLibre would end a drag and drop a turn of the wheel for nothing
    this.size = size;
    const wasMoved = this.moved;
    this.showing = true;
    if (this.gl.getPixelRatio() !== pixelRatio()) this.gl.setPixelRatio(pixelRatio());
    this.gl.resize();
    this.showing = false;
    this.moved = wasMoved;
    this.read();
    return true;
  }

  /** Move the map to a view; the camera that the map then has is what counts. */
  show(view: Viewpoint): void {
    this.showing = true;
    this.gl.jumpTo({
      center: this.site.plane.lonLat(view.x, view.y),
      zoom: this.site.plane.zoom(view.perMetre),
      bearing: (-view.turn * 180) / Math.PI,
    });
    this.showing = false;
    this.moved = false;
    this.read();
  }

  /** Copy the position of the map's camera. */
  read(): void {
    const { camera } = this;
    const centre = this.gl.getCenter();
    camera.w = this.el.clientWidth;
    camera.h = this.el.clientHeight;
    camera.x = this.site.plane.x(centre.lng);
    camera.y = this.site.plane.y(centre.lat);
    camera.perMetre = this.site.plane.pixelsPerMetre(this.gl.getZoom());
    camera.turn = (-this.gl.getBearing() * Math.PI) / 180;
  }

  /** Note that the canvas above was drawn from the present camera. */
  drawn(): void {
    this.drawnAt = this.view;
  }

  private get view(): string {
    const { camera } = this;
    return [camera.x, camera.y, camera.turn, camera.perMetre, camera.w, camera.h].join();
  }
}
