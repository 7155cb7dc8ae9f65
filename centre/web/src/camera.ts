/** How a map pane looks at the site's plane. */

/** A view of the plane: where its middle is, how it is turned and how large a metre is. */
export class Camera {
  x = 0;
  y = 0;
  /** Direction of the plane that points right on the screen [rad, counter-clockwise from east]. */
  turn = 0;
  perMetre = 1;
  w = 1;
  h = 1;

  toX(x: number, y: number): number {
    return this.w / 2 + ((x - this.x) * Math.cos(this.turn) + (y - this.y) * Math.sin(this.turn)) * this.perMetre;
  }

  toY(x: number, y: number): number {
    return this.h / 2 - (-(x - this.x) * Math.sin(this.turn) + (y - this.y) * Math.cos(this.turn)) * this.perMetre;
  }

  /** The plane's point under a pixel. */
  from(px: number, py: number): [number, number] {
    const a = (px - this.w / 2) / this.perMetre;
    const b = -(py - this.h / 2) / this.perMetre;
    return [this.x + a * Math.cos(this.turn) - b * Math.sin(this.turn), this.y + a * Math.sin(this.turn) + b * Math.cos(this.turn)];
  }
}
