/** Decodes MessagePack: the part of it that the wire uses (no extension types), without copying binary data. */

export type Value = null | boolean | number | bigint | string | Uint8Array | Value[] | { [key: string]: Value };

const TEXT = new TextDecoder("utf-8");

/** Decode one whole message; throws RangeError where it is cut short, malformed or has bytes left over. */
export function decode(bytes: Uint8Array): Value {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new RangeError("bytes left over");
  return value;
}

const DEPTH_MAX = 16;

class Reader {
  at = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): Value {
    if (depth > DEPTH_MAX) throw new RangeError("nested too deeply");
    const head = this.read(1)[0]!;
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.map(head & 0x0f, depth);
    if (head < 0xa0) return this.list(head & 0x0f, depth);
    if (head < 0xc0) return TEXT.decode(this.read(head & 0x1f));
    return this.long(head, depth);
  }

  private long(head: number, depth: number): Value {
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.read(this.size(1));
      case 0xc5: return this.read(this.size(2));
      case 0xc6: return this.read(this.size(4));
      case 0xca: return this.view.getFloat32(this.skip(4));
      case 0xcb: return this.view.getFloat64(this.skip(8));
      case 0xcc: return this.size(1);
      case 0xcd: return this.size(2);
      case 0xce: return this.size(4);
      case 0xcf: return whole(this.view.getBigUint64(this.skip(8)));
      case 0xd0: return this.view.getInt8(this.skip(1));
      case 0xd1: return this.view.getInt16(this.skip(2));
      case 0xd2: return this.view.getInt32(this.skip(4));
      case 0xd3: return whole(this.view.getBigInt64(this.skip(8)));
      case 0xd9: return TEXT.decode(this.read(this.size(1)));
      case 0xda: return TEXT.decode(this.read(this.size(2)));
      case 0xdb: return TEXT.decode(this.read(this.size(4)));
      case 0xdc: return this.list(this.size(2), depth);
      case 0xdd: return this.list(this.size(4), depth);
      case 0xde: return this.map(this.size(2), depth);
      case 0xdf: return this.map(this.size(4), depth);
      default: throw new RangeError(`byte 0x${head.toString(16)} starts nothing known`);
    }
  }

  private list(n: number, depth: number): Value[] {
    if (n > this.bytes.length - this.at) throw new RangeError("list longer than its message");
    const out: Value[] = [];
    for (let i = 0; i < n; i++) out.push(this.value(depth + 1));
    return out;
  }

  private map(n: number, depth: number): { [key: string]: Value } {
    if (2 * n > this.bytes.length - this.at) throw new RangeError("map longer than its message");
    const out: { [key: string]: Value } = Object.create(null) as { [key: string]: Value };
    for (let i = 0; i < n; i++) out[String(this.value(depth + 1))] = this.value(depth + 1);
    return out;
  }

  private size(width: 1 | 2 | 4): number {
    const at = this.skip(width);
    return width === 1 ? this.view.getUint8(at) : width === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  private read(n: number): Uint8Array {
    const at = this.skip(n);
    return this.bytes.subarray(at, at + n);
  }

  private skip(n: number): number {
    const at = this.at;
    if (at + n > this.bytes.length) throw new RangeError("cut short");
    this.at = at + n;
    return at;
  }
}

function whole(value: bigint): number | bigint {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}
