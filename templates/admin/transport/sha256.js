// SHA-256 (FIPS 180-4). WebCrypto exists only in secure contexts, and a gateway in a LAN may be reached by plain HTTP.
// Constants are computed as the standard defines them: fractions of roots of the first primes.

const INITIAL = new Uint32Array(8);
const ROUND = new Uint32Array(64);
{
  const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  let count = 0;
  for (let candidate = 2; count < 64; candidate += 1) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) if (candidate % divisor === 0) prime = false;
    if (!prime) continue;
    if (count < 8) INITIAL[count] = fraction(Math.sqrt(candidate));
    ROUND[count] = fraction(Math.cbrt(candidate));
    count += 1;
  }
}

const rotateRight = (word, by) => (word >>> by) | (word << (32 - by));

function pad(bytes) {
  const blocks = new Uint8Array(((bytes.length + 8) >> 6) * 64 + 64);
  blocks.set(bytes);
  blocks[bytes.length] = 0x80;
  const end = new DataView(blocks.buffer);
  end.setUint32(blocks.length - 8, Math.floor(bytes.length / 2 ** 29));
  end.setUint32(blocks.length - 4, bytes.length << 3);
  return end;
}

/** The hash of a text's UTF-8 bytes, as 64 hex digits in lower case. */
export function sha256(text) {
  const data = pad(new TextEncoder().encode(text));
  const hash = Uint32Array.from(INITIAL);
  const w = new Uint32Array(64);
  for (let block = 0; block < data.byteLength; block += 64) {
    for (let i = 0; i < 16; i += 1) w[i] = data.getUint32(block + i * 4);
    for (let i = 16; i < 64; i += 1) {
      const s0 = rotateRight(w[i - 15], 7) ^ rotateRight(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const s1 = rotateRight(w[i - 2], 17) ^ rotateRight(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i += 1) {
      const s1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25);
      const one = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i] + w[i]) | 0;
      const s0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22);
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (hash[i] += word));
  }
  return Array.from(hash, (word) => word.toString(16).padStart(8, "0")).join("");
}
