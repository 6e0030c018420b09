// The model that tells people from what is behind them comes without the description that MediaPipe wants of it: how the numbers of a
// picture are to be scaled. It is written into the model's file here, whose format is FlatBuffers (`schema.fbs` of TensorFlow Lite,
// `metadata_schema.fbs` of TensorFlow Lite Support).

import { Builder } from "flatbuffers";

/** Under which name a description is found, and what kind of file it is itself. */
const NAME = "TFLITE_METADATA";
const KIND = "M001";

/** Colours go from 0 to 255, and in from 0 to 1. */
const MEAN = 0;
const DEVIATION = 255;

/** What the table of a model has in which place: those that refer to something, and those that are new. */
const VERSION = 0;
const BUFFERS = 4;
const METADATA = 6;
const KEPT = [1, 2, 3, 5, 7];
const PLACES = 8;

/** What numbers in a model may be aligned to. */
const ALIGNED = 16;

/** The same model with its description. References lead forwards only, so what is new stands before what was there. */
export function described(model: Uint8Array): Uint8Array {
  const old = new DataView(model.buffer, model.byteOffset, model.byteLength);
  const places = placesOf(old, old.getUint32(0, true));
  const buffers = elementsOf(old, places[BUFFERS]);
  if (places[METADATA] || !places[VERSION] || buffers.length === 0) throw new Error("the model is not as it was: look at it anew");

  const front = new Front();
  const root = front.place();
  front.text("TFL3");
  const layout = front.u16(4 + 2 * PLACES, 4 + 4 * PLACES, ...Array.from({ length: PLACES }, (_, place) => (places[place] || place === METADATA ? 4 + 4 * place : 0)));
  front.lead(root, front.end);
  front.u32(front.end - layout);
  const slots = Array.from({ length: PLACES }, () => front.place());
  const slot = (place: number): number => slots[place] ?? 0;
  front.write(slot(VERSION), old.getUint32(places[VERSION], true));
  for (const place of KEPT) {
    const at = places[place];
    if (at) front.leadToOld(slot(place), at + old.getUint32(at, true));
  }
  front.lead(slot(BUFFERS), front.end);
  front.u32(buffers.length + 1);
  for (const buffer of buffers) front.leadToOld(front.place(), buffer);
  const ownBuffer = front.place();
  front.lead(slot(METADATA), front.end);
  front.u32(1);
  const entry = front.place();
  // An entry has a name, and the number of a buffer.
  const entryLayout = front.u16(8, 12, 4, 8);
  front.lead(entry, front.end);
  front.u32(front.end - entryLayout);
  const name = front.place();
  front.u32(buffers.length);
  const bufferLayout = front.u16(6, 8, 4, 0);
  front.lead(ownBuffer, front.end);
  front.u32(front.end - bufferLayout);
  const data = front.place();
  front.lead(name, front.end);
  front.u32(NAME.length);
  front.text(`${NAME}\0`);
  const text = description();
  front.align(ALIGNED - 4);
  front.lead(data, front.end);
  front.u32(text.length);
  front.bytes(...text);
  return front.before(model);
}

/** Where the fields of a table stand, by their places; 0: it has none there. */
function placesOf(view: DataView, table: number): number[] {
  const layout = table - view.getInt32(table, true);
  const fields = (view.getUint16(layout, true) - 4) / 2;
  return Array.from({ length: PLACES }, (_, place) => {
    const offset = place < fields ? view.getUint16(layout + 4 + 2 * place, true) : 0;
    return offset && table + offset;
  });
}

/** Where the elements of a vector of tables stand. */
function elementsOf(view: DataView, field: number | undefined): number[] {
  if (!field) return [];
  const vector = field + view.getUint32(field, true);
  return Array.from({ length: view.getUint32(vector, true) }, (_, index) => {
    const at = vector + 4 + 4 * index;
    return at + view.getUint32(at, true);
  });
}

/** Bytes that will stand before others. */
class Front {
  private readonly out: number[] = [];
  private readonly toOld: { at: number; old: number }[] = [];

  get end(): number {
    return this.out.length;
  }

  bytes(...some: number[]): void {
    for (const byte of some) this.out.push(byte);
  }

  text(text: string): void {
    this.bytes(...new TextEncoder().encode(text));
    this.align(0);
  }

  u16(...numbers: number[]): number {
    const at = this.end;
    for (const number of numbers) this.bytes(number & 255, number >> 8);
    this.align(0);
    return at;
  }

  u32(number: number): void {
    this.write(this.place(), number);
  }

  /** Room for a number or a reference. */
  place(): number {
    this.bytes(0, 0, 0, 0);
    return this.end - 4;
  }

  write(at: number, number: number): void {
    for (let byte = 0; byte < 4; byte += 1) this.out[at + byte] = (number >>> (8 * byte)) & 255;
  }

  lead(at: number, to: number): void {
    this.write(at, to - at);
  }

  leadToOld(at: number, old: number): void {
    this.toOld.push({ at, old });
  }

  /** Fills up to a multiple of four, or so that what is this much behind stands aligned. */
  align(rest: number): void {
    const unit = rest === 0 ? 4 : ALIGNED;
    while (this.end % unit !== rest) this.bytes(0);
  }

  before(model: Uint8Array): Uint8Array {
    while (this.end % ALIGNED !== 0) this.bytes(0);
    for (const { at, old } of this.toOld) this.lead(at, this.end + old);
    return new Uint8Array([...this.out, ...model]);
  }
}

/** That the one input is a picture whose colours are scaled so. */
function description(): Uint8Array {
  const builder = new Builder();
  const floats = (value: number): number => {
    builder.startVector(4, 1, 4);
    builder.addFloat32(value);
    return builder.endVector();
  };
  const table = (fields: number, fill: () => void): number => {
    builder.startObject(fields);
    fill();
    return builder.endObject();
  };
  const list = (of: number): number => {
    builder.startVector(4, 1, 4);
    builder.addOffset(of);
    return builder.endVector();
  };
  const [mean, deviation] = [floats(MEAN), floats(DEVIATION)];
  const scaling = table(2, () => {
    builder.addFieldOffset(0, mean, 0);
    builder.addFieldOffset(1, deviation, 0);
  });
  const unit = table(2, () => {
    builder.addFieldInt8(0, 1, 0);
    builder.addFieldOffset(1, scaling, 0);
  });
  const units = list(unit);
  const [input, output] = [table(7, () => builder.addFieldOffset(4, units, 0)), table(7, () => {})];
  const [inputs, outputs] = [list(input), list(output)];
  const graph = table(7, () => {
    builder.addFieldOffset(2, inputs, 0);
    builder.addFieldOffset(3, outputs, 0);
  });
  const graphs = list(graph);
  builder.finish(
    table(8, () => builder.addFieldOffset(3, graphs, 0)),
    KIND,
  );
  return builder.asUint8Array();
}
