// Finds stored copies of a file before it is sent: the same bytes by their digest, near copies by a small sample.

import { callApi } from "./session.js";

// The digest needs the whole file in memory. Without it, a copy is sent once more.
const MAX_DIGEST_BYTES = 64 * 1024 * 1024;
// The perceptual hash of a scaled picture is near the one of the original, so that a sample is enough.
const SAMPLE_WIDTH = 512;
const MAX_SAMPLE_BYTES = 256 * 1024;
const MAX_SHOWN = 3;

// Only TLS pages can compute digests.
async function digestOf(file) {
  if (!crypto.subtle || file.size >= MAX_DIGEST_BYTES) return null;
  const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sampleOf(file) {
  if (file.size <= MAX_SAMPLE_BYTES) return file;
  const bitmap = await createImageBitmap(file, { resizeWidth: SAMPLE_WIDTH, resizeQuality: "high" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/webp", quality: 0.9 });
}

async function findNear(file) {
  const form = new FormData();
  form.append("image", await sampleOf(file), "sample");
  const { items } = await callApi("POST", `/v1/images/similar?limit=${MAX_SHOWN}`, form);
  return items.map(({ image }) => image);
}

// Returns the digest of the file, the stored images, and whether they have the same bytes.
export async function findCopies(file) {
  const digest = await digestOf(file);
  if (digest) {
    const [same] = (await callApi("POST", "/v1/images/lookup", { sha256: [digest] })).items;
    if (same) return { digest, images: [await callApi("GET", same.image)], isSame: true };
  }
  // A browser that cannot decode the type, or a rate limit, does not prevent the upload.
  const images = await findNear(file).catch(() => []);
  return { digest, images, isSame: false };
}
