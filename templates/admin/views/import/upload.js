// Uploads a file in chunks. The gateway checks it and changes nothing.

const CHUNK = 384 * 1024;

function base64(bytes) {
  let text = "";
  for (let offset = 0; offset < bytes.length; offset += 0x8000) text += String.fromCharCode(...bytes.subarray(offset, offset + 0x8000));
  return btoa(text);
}

/** Returns the gateway's check of the file. Calls `progress` with the uploaded share (0 to 1). */
export async function checkFile(app, bytes, progress = () => {}) {
  let offset = 0;
  do {
    const end = Math.min(offset + CHUNK, bytes.length);
    const last = end === bytes.length;
    const result = await app.gateway.request("ImportData", { data: base64(bytes.subarray(offset, end)), last });
    progress(bytes.length ? end / bytes.length : 1);
    if (last) return result;
    offset = end;
  } while (true);
}

/** Returns a CSV file with one line for a phone from the form. */
export function csvOf(fields) {
  const entered = Object.entries(fields).filter(([, value]) => value.trim() !== "");
  const cell = (text) => `"${text.trim().replaceAll('"', '""')}"`;
  return new TextEncoder().encode(`${entered.map(([name]) => name).join(",")}\n${entered.map(([, value]) => cell(value)).join(",")}\n`);
}

/** Decodes a file for display: UTF-8, or Latin-1 if it is not valid UTF-8. */
export function decodeFile(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("iso-8859-1").decode(bytes);
  }
}
