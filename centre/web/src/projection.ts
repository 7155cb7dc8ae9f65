/** The page's plane: Mercator metres around a local origin, so that it lies on the map without a seam. */

const EARTH_M = 40_075_016.686; // equator, Web Mercator
const RAD = Math.PI / 180;

export class Plane {
  readonly lon0Deg: number;
  readonly lat0Deg: number;
  private readonly y0: number;
  private readonly scale: number;

  /** Metres are true at the origin; 0.3 degrees of latitude away they are 0.5 % too long (drawing only). */
  constructor(lonDeg: number, latDeg: number) {
    this.lon0Deg = lonDeg;
    this.lat0Deg = latDeg;
    this.y0 = mercator(latDeg);
    this.scale = (EARTH_M * Math.cos(latDeg * RAD)) / (2 * Math.PI);
  }

  x(lonDeg: number): number {
    return (lonDeg - this.lon0Deg) * RAD * this.scale;
  }

  y(latDeg: number): number {
    return (mercator(latDeg) - this.y0) * this.scale;
  }

  lonLat(x: number, y: number): [number, number] {
    const lat = 2 * Math.atan(Math.exp(y / this.scale + this.y0)) - Math.PI / 2;
    return [this.lon0Deg + x / this.scale / RAD, lat / RAD];
  }

  /** Screen pixels per metre of the plane at a MapLibre zoom (512 px world). */
  pixelsPerMetre(zoom: number): number {
    return (512 * 2 ** zoom) / (EARTH_M * Math.cos(this.lat0Deg * RAD));
  }

  zoom(pixelsPerMetre: number): number {
    return Math.log2((pixelsPerMetre * EARTH_M * Math.cos(this.lat0Deg * RAD)) / 512);
  }
}

function mercator(latDeg: number): number {
  return Math.log(Math.tan(Math.PI / 4 + (latDeg * RAD) / 2));
}

export interface Place {
  x: number;
  y: number;
  /** Direction of growing station, counter-clockwise from east [rad]. */
  theta: number;
}

/** The road's axis: station to place and back. */
export class Axis {
  private readonly s: Float64Array;
  private readonly x: Float64Array;
  private readonly y: Float64Array;

  constructor(s: readonly number[], x: readonly number[], y: readonly number[]) {
    if (s.length < 2 || s.length !== x.length || s.length !== y.length) throw new RangeError("axis needs two vertices");
    this.s = Float64Array.from(s);
    this.x = Float64Array.from(x);
    this.y = Float64Array.from(y);
  }

  private segment(s: number): number {
    let low = 0;
    let high = this.s.length - 2;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (this.s[mid]! <= s) low = mid;
      else high = mid - 1;
    }
    return low;
  }

  /** The place at station s, u metres to the left of growing station. */
  at(s: number, u = 0): Place {
    const i = this.segment(s);
    const [x0, y0] = [this.x[i]!, this.y[i]!];
    const [dx, dy] = [this.x[i + 1]! - x0, this.y[i + 1]! - y0];
    const f = (s - this.s[i]!) / (this.s[i + 1]! - this.s[i]!);
    const theta = Math.atan2(dy, dx);
    return { x: x0 + f * dx - u * Math.sin(theta), y: y0 + f * dy + u * Math.cos(theta), theta };
  }

  /** How far (x, y) lies left of the axis, given its station [m]. */
  offset(s: number, x: number, y: number): number {
    const foot = this.at(s);
    return -(x - foot.x) * Math.sin(foot.theta) + (y - foot.y) * Math.cos(foot.theta);
  }
}
