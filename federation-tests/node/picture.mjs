// The test picture in plain pixels, as page/picture.ts draws and reads it with a canvas.

const [COLUMNS, ROWS] = [16, 9];
const QUADRANTS = [
  [200, 30, 30],
  [30, 170, 30],
  [40, 40, 210],
  [210, 200, 30],
];
/** A channel may be off by this much after encoding. */
const TOLERANCE = 70;

/** A test picture as RGBA. */
export function draw({ mark, counter }, width, height) {
  const pixels = new Uint8Array(width * height * 4);
  const rows = { 0: bits(mark), [ROWS - 1]: bits(counter) };
  for (let row = 0; row < ROWS; row++) {
    const [top, bottom] = [row, row + 1].map((each) => edge(each, ROWS, height) * width * 4);
    const line = pixels.subarray(top, top + width * 4);
    for (let column = 0; column < COLUMNS; column++) {
      const light = rows[row]?.[column];
      const colour = light === undefined ? quadrant(column, row) : Array(3).fill(light ? 255 : 0);
      for (let x = edge(column, COLUMNS, width); x < edge(column + 1, COLUMNS, width); x++) line.set([...colour, 255], 4 * x);
    }
    // All lines of a row are the same.
    for (let at = top + width * 4; at < bottom; at += width * 4) pixels.copyWithin(at, top, top + width * 4);
  }
  return pixels;
}

/** Where a cell begins, of so many along one side. */
function edge(cell, cells, pixels) {
  return Math.ceil((cell * pixels) / cells);
}

/** What RGBA pixels show; null when they are no test picture. */
export function read(pixels, width, height) {
  const at = (column, row) => {
    const x = Math.floor(((column * 2 + 1) * width) / (2 * COLUMNS));
    const y = Math.floor(((row * 2 + 1) * height) / (2 * ROWS));
    return [...pixels.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)];
  };
  for (let row = 1; row < ROWS - 1; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      const seen = at(column, row);
      if (quadrant(column, row).some((value, channel) => Math.abs(value - seen[channel]) > TOLERANCE)) return null;
    }
  }
  const [mark, counter] = [0, ROWS - 1].map((row) => byte(Array.from({ length: COLUMNS }, (_, column) => at(column, row))));
  return mark === null || counter === null ? null : { mark, counter };
}

function quadrant(column, row) {
  return QUADRANTS[(row < 5 ? 0 : 2) + (column < 8 ? 0 : 1)];
}

/** Eight bits, and the same inverted. */
function bits(value) {
  const plain = Array.from({ length: 8 }, (_, index) => ((value % 256) >> (7 - index)) % 2 === 1);
  return [...plain, ...plain.map((bit) => !bit)];
}

function byte(cells) {
  const light = cells.map((cell) => cell.reduce((sum, value) => sum + value, 0) > 384);
  if (light.slice(0, 8).some((bit, index) => bit === light[index + 8])) return null;
  return light.slice(0, 8).reduce((value, bit) => value * 2 + (bit ? 1 : 0), 0);
}
