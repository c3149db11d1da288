// @ts-check
/** What an image says of itself in its first bytes: an image can be small to send and huge to decode. */

/** @typedef {{ type: string, width: number, height: number }} ImageHeader */

/** @param {string} base64 @returns {ImageHeader | null} null for what is none of PNG, JPEG, WebP and GIF */
export function readImageHeader(base64) {
  const signature = base64.slice(0, 16);
  // Only what looks like an image is decoded, and of most only the beginning.
  if (signature.startsWith("iVBORw0KGgo")) return sized("image/png", png(bytesOf(base64, 32)));
  if (signature.startsWith("R0lGOD")) return sized("image/gif", gif(bytesOf(base64, 4096)));
  if (signature.startsWith("UklGR")) return sized("image/webp", webp(bytesOf(base64, 32)));
  if (signature.startsWith("/9j/")) return sized("image/jpeg", jpeg(bytesOf(base64, base64.length)));
  return null;
}

/** @param {string} type @param {[number, number] | null} size @returns {ImageHeader | null} */
function sized(type, size) {
  return size && size[0] > 0 && size[1] > 0 ? { type, width: size[0], height: size[1] } : null;
}

/** @param {string} base64 @param {number} count @returns {DataView} of the first bytes */
function bytesOf(base64, count) {
  try {
    const binary = atob(base64.slice(0, Math.ceil(count / 3) * 4));
    return new DataView(Uint8Array.from(binary, (character) => character.charCodeAt(0)).buffer);
  } catch {
    return new DataView(new ArrayBuffer(0));
  }
}

/** @param {DataView} bytes @param {number} at @param {string} text */
const isAt = (bytes, at, text) =>
  bytes.byteLength >= at + text.length && [...text].every((character, index) => bytes.getUint8(at + index) === character.charCodeAt(0));

/** @param {DataView} bytes @returns {[number, number] | null} */
function png(bytes) {
  return isAt(bytes, 12, "IHDR") && bytes.byteLength >= 24 ? [bytes.getUint32(16), bytes.getUint32(20)] : null;
}

/** The first frame may be larger than the screen that the header names. @param {DataView} bytes @returns {[number, number] | null} */
function gif(bytes) {
  if (bytes.byteLength < 13) return null;
  /** @param {number} flags @returns {number} bytes of a table of colours */
  const tableBytes = (flags) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const screen = [bytes.getUint16(6, true), bytes.getUint16(8, true)];
  let at = 13 + tableBytes(bytes.getUint8(10));
  while (at + 10 <= bytes.byteLength && bytes.getUint8(at) === 0x21) {
    at += 2;
    while (at < bytes.byteLength && bytes.getUint8(at)) at += 1 + bytes.getUint8(at);
    at += 1;
  }
  // Without a frame within reach its size is not known.
  if (at + 9 > bytes.byteLength || bytes.getUint8(at) !== 0x2c) return null;
  const [left, top, width, height] = [1, 3, 5, 7].map((offset) => bytes.getUint16(at + offset, true));
  return [Math.max(screen[0], left + width), Math.max(screen[1], top + height)];
}

/** @param {DataView} bytes @returns {[number, number] | null} */
function webp(bytes) {
  if (bytes.byteLength < 30 || !isAt(bytes, 8, "WEBP")) return null;
  if (isAt(bytes, 12, "VP8 ")) return [bytes.getUint16(26, true) & 0x3fff, bytes.getUint16(28, true) & 0x3fff];
  if (isAt(bytes, 12, "VP8L")) {
    const bits = bytes.getUint32(21, true);
    return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
  }
  const threeBytes = (/** @type {number} */ at) => bytes.getUint16(at, true) + bytes.getUint8(at + 2) * 65536;
  return isAt(bytes, 12, "VP8X") ? [threeBytes(24) + 1, threeBytes(27) + 1] : null;
}

/** @param {DataView} bytes @returns {[number, number] | null} of its frame, which follows segments that tell their length */
function jpeg(bytes) {
  for (let at = 2; at + 9 <= bytes.byteLength; ) {
    const marker = bytes.getUint8(at + 1);
    if (bytes.getUint8(at) !== 0xff) return null;
    if (marker === 0xff) at += 1; // a filler
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [bytes.getUint16(at + 7), bytes.getUint16(at + 5)];
    else if (marker === 0xda || marker === 0xd9) return null;
    else at += 2 + bytes.getUint16(at + 2);
  }
  return null;
}
