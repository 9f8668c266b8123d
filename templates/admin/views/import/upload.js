// Sends a file in pieces; the gateway checks it and writes nothing.

const PIECE = 384 * 1024;

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** What the gateway says of the file. `progress` is told the share that has been sent. */
export async function check(app, bytes, progress = () => {}) {
  let at = 0;
  do {
    const end = Math.min(at + PIECE, bytes.length);
    const last = end === bytes.length;
    const told = await app.talk.ask("ImportData", { data: base64(bytes.subarray(at, end)), last });
    progress(bytes.length ? end / bytes.length : 1);
    if (last) return told;
    at = end;
  } while (true);
}

/** A table of one line, for a phone that was typed in. */
export function table(fields) {
  const used = Object.entries(fields).filter(([, value]) => value.trim() !== "");
  const cell = (text) => `"${text.trim().replaceAll('"', '""')}"`;
  return new TextEncoder().encode(`${used.map(([name]) => name).join(",")}\n${used.map(([, value]) => cell(value)).join(",")}\n`);
}

/** The text of a file as a person may look at it: UTF-8, or Latin-1 where it is none. */
export function readable(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("iso-8859-1").decode(bytes);
  }
}
