/** The views of the two map panes: the whole road and the close-up. Both stay empty until the site and its map are loaded. */

import { dragClose, isDragged, zoomable, zoomClose } from "./detail/zoom.ts";
import { ClosePane, Pane } from "./maps.ts";
import { drawClose, drawWhole, fitWhole } from "./mapview.ts";
import { extent, nearestStation } from "./site.ts";
import type { Site } from "./site.ts";
import type { State } from "./state.ts";
import type { Host, View } from "./views.ts";

export class WholeMapView implements View {
  readonly rate = "road";
  private readonly el: HTMLElement;
  private host: Host | null = null;
  private pane: Pane | null = null;
  private site: Site | null = null;

  constructor(el: HTMLElement) {
    this.el = el;
  }

  /** Whether the user moved the map away from the whole road. */
  get moved(): boolean {
    return this.pane?.moved ?? false;
  }

  mount(host: Host): void {
    this.host = host;
  }

  /** Create the map. A click on it chooses the nearest station of the road. */
  open(site: Site, features: GeoJSON.FeatureCollection): void {
    const { host } = this;
    if (host === null) throw new Error("the map is opened before it is mounted");
    const pane = new Pane(this.el, site, features, (moved) => drawWhole(moved, host.state));
    pane.gl.on("click", (event) => {
      if (site.axis === null) return;
      const [x, y] = pane.camera.from(event.point.x, event.point.y);
      host.choose({ kind: "station", sM: nearestStation(site, x, y) });
    });
    [this.pane, this.site] = [pane, site];
  }

  draw(state: State): void {
    if (this.pane !== null) drawWhole(this.pane, state);
  }

  /** Show the whole road. */
  fit(): void {
    if (this.pane !== null && this.site !== null) fitWhole(this.pane, this.site);
  }

  /** Apply the theme's colours to the map. */
  restyle(): void {
    this.pane?.restyle();
  }

  /** Fit the pane's height to the road's shape in a width [px]. */
  setHeight(widthPx: number): void {
    if (this.site === null) return;
    const { length, bulge } = extent(this.site);
    const rim = innerWidth > 1600 ? 70 : 62;
    this.el.style.height = `${Math.round(Math.min(160, Math.max(70, (bulge * (widthPx - 60)) / length + rim)))}px`;
  }

  /** Apply the pane's new size; a map that the user has not moved shows the whole road again. */
  resize(): void {
    if (this.pane?.resize() && !this.moved) this.fit();
  }
}

export class CloseUpView implements View {
  readonly rate = "frame";
  private readonly el: HTMLElement;
  private pane: ClosePane | null = null;
  private host: Host | null = null;
  private about = ""; // what it follows

  constructor(el: HTMLElement) {
    this.el = el;
  }

  /** The close-up follows what is chosen elsewhere: a click on it means nothing; a drag looks beside it. */
  mount(host: Host): void {
    this.host = host;
    zoomable(this.el.querySelector("canvas")!, {
      drag: (dxPx, dyPx) => {
        if (this.pane !== null) dragClose(host.state, dxPx, dyPx, this.pane.camera.perMetre);
      },
      zoom: (factor) => zoomClose(host.state, 1 / factor),
      reset: () => {
        host.state.closeZoom = 1;
        host.state.closeShift = [0, 0];
      },
    });
  }

  /** Return to what it follows; says whether it had been dragged away. */
  back(): boolean {
    if (this.host === null || !isDragged(this.host.state)) return false;
    this.host.state.closeShift = [0, 0];
    return true;
  }

  open(site: Site, features: GeoJSON.FeatureCollection): void {
    this.pane = new ClosePane(this.el, site, features);
  }

  draw(state: State): void {
    const about = `${state.selected} ${state.follow} ${state.windowFrom}`;
    if (about !== this.about) this.back(); // it shows something else now
    this.about = about;
    if (this.pane !== null) drawClose(this.pane, state);
  }

  resize(): void {
    this.pane?.measure();
  }
}
