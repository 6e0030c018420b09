// The test picture: big enough to survive the lowest layer of a codec, and impossible to take for another one.
//
// A grid of 16 × 9 cells. The first row is the mark (who publishes), the last row the frame counter, each as eight bits
// (white is 1) and then the same bits inverted, so that a damaged row is noticed. Between them four coloured quadrants.

export const COLUMNS = 16;
export const ROWS = 9;

/** Marks and counters are counted modulo this. */
const BYTE = 256;

/** Red, green, blue and yellow, in reading order, as they look in limited-range video. */
const QUADRANTS: [number, number, number][] = [
  [200, 30, 30],
  [30, 170, 30],
  [40, 40, 210],
  [210, 200, 30],
];

/** A channel may be off by this much after encoding. */
const TOLERANCE = 70;

export interface Picture {
  mark: number;
  counter: number;
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

export function draw(context: Context, { mark, counter }: Picture): void {
  const { width, height } = context.canvas;
  const cell = (column: number, row: number, columns: number, rows: number, colour: string) => {
    context.fillStyle = colour;
    const left = Math.round((column * width) / COLUMNS);
    const top = Math.round((row * height) / ROWS);
    const right = Math.round(((column + columns) * width) / COLUMNS);
    const bottom = Math.round(((row + rows) * height) / ROWS);
    context.fillRect(left, top, right - left, bottom - top);
  };
  QUADRANTS.forEach(([red, green, blue], index) => {
    cell(index % 2 === 0 ? 0 : 8, index < 2 ? 1 : 5, 8, index < 2 ? 4 : 3, `rgb(${red} ${green} ${blue})`);
  });
  bits(mark).forEach((bit, column) => cell(column, 0, 1, 1, bit ? "#fff" : "#000"));
  bits(counter).forEach((bit, column) => cell(column, ROWS - 1, 1, 1, bit ? "#fff" : "#000"));
}

/** What a picture shows, or `null` when it is not (or no longer) a test picture. */
export function read(source: CanvasImageSource): Picture | null {
  // Three pixels a cell, so that the middle one is away from its neighbours.
  const canvas = new OffscreenCanvas(COLUMNS * 3, ROWS * 3);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no canvas");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const at = (column: number, row: number) => {
    const index = 4 * ((row * 3 + 1) * canvas.width + column * 3 + 1);
    return [data[index] ?? 0, data[index + 1] ?? 0, data[index + 2] ?? 0];
  };
  for (let row = 1; row < ROWS - 1; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      const wanted = QUADRANTS[(row < 5 ? 0 : 2) + (column < 8 ? 0 : 1)];
      const seen = at(column, row);
      if (wanted?.some((value, channel) => Math.abs(value - (seen[channel] ?? 0)) > TOLERANCE)) return null;
    }
  }
  const mark = byte(Array.from({ length: COLUMNS }, (_, column) => at(column, 0)));
  const counter = byte(Array.from({ length: COLUMNS }, (_, column) => at(column, ROWS - 1)));
  return mark === null || counter === null ? null : { mark, counter };
}

function bits(value: number): boolean[] {
  const plain = Array.from({ length: 8 }, (_, index) => ((value % BYTE) >> (7 - index)) % 2 === 1);
  return [...plain, ...plain.map((bit) => !bit)];
}

function byte(cells: number[][]): number | null {
  const light = cells.map((cell) => cell.reduce((sum, value) => sum + value, 0) > (3 * BYTE) / 2);
  let value = 0;
  for (let index = 0; index < 8; index++) {
    if (light[index] === light[index + 8]) return null;
    value = value * 2 + (light[index] ? 1 : 0);
  }
  return value;
}
