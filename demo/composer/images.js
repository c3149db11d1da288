// @ts-check
/** Images as messages: made small enough to send. */

const MAX_SIDE = 960;
const MAX_BYTES = 48 * 1024; // well below MAX_MESSAGE_BYTES of a default installation

/**
 * Make an image smaller until it fits a message.
 * @param {Blob} file
 * @returns {Promise<string>} base64
 */
export async function shrink(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("This file isn’t an image.");
  });
  try {
    for (let side = MAX_SIDE; side >= 60; side /= 2) {
      const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      for (const quality of [0.85, 0.6]) {
        const dataUrl = canvas.toDataURL("image/webp", quality);
        const base64 = dataUrl.slice(dataUrl.indexOf(",") + 1);
        if (base64.length * 0.75 <= MAX_BYTES) return base64;
      }
    }
  } finally {
    bitmap.close(); // it holds four bytes of memory for each pixel
  }
  throw new Error("This image cannot be made small enough.");
}
