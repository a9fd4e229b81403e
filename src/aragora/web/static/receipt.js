// A receipt's chain of hashes, added up again. Loaded when one is checked; nothing here asks the server.

// JSON in which numbers stay as they were written, since 1.0 and 1 are hashed differently.
function read(text) {
  let at = 0;
  const blank = () => {
    while (/\s/.test(text[at] ?? "")) at += 1;
  };
  const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
  const many = (end, one) => {
    const found = [];
    at += 1;
    blank();
    while (text[at] !== end) {
      found.push(one());
      blank();
      if (text[at] === ",") at += 1;
      blank();
    }
    at += 1;
    return found;
  };
  const leafOf = () => {
    token.lastIndex = at;
    const [found] = token.exec(text);
    at = token.lastIndex;
    return found;
  };
  const value = () => {
    blank();
    if (text[at] === "[") return many("]", value);
    if (text[at] !== "{") return { written: leafOf() };
    return new Map(
      many("}", () => {
        const name = JSON.parse(leafOf());
        blank();
        at += 1; // the colon
        return [name, value()];
      }),
    );
  };
  return value();
}

// As Python writes it: a float keeps a point, and a small or large one has an exponent of two digits.
function number(written) {
  if (!/[.eE]/.test(written)) return written;
  const [digits, power] = Number(written).toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  const plain = Number(written).toFixed(Math.max(1, (digits.split(".")[1]?.length ?? 0) - exponent));
  return plain;
}

const quoted = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

// By code points, as Python sorts them.
const before = ([a], [b]) => {
  const [one, other] = [[...a], [...b]];
  const place = one.findIndex((letter, at) => letter !== other[at]);
  return place < 0 ? one.length - other.length : (one[place].codePointAt(0) - (other[place]?.codePointAt(0) ?? -1));
};

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value instanceof Map) return `{${[...value].sort(before).map(([name, each]) => `${quoted(name)}:${canonical(each)}`).join(",")}}`;
  if (value.written[0] === '"') return quoted(JSON.parse(value.written));
  return /^[-\d]/.test(value.written) ? number(value.written) : value.written;
}

const hash = async (...pieces) => new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(pieces.flatMap((piece) => [...piece]))));
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const text = (value) => JSON.parse(value.written);

// What a receipt says in short is what its last event says.
function matches(outcome, last) {
  const end = text(last.get("type")) === "debate_end" ? last.get("data") : new Map();
  return [...outcome].every(([name, value]) => canonical(value) === canonical(end.get(name) ?? { written: "null" }));
}

// Whether every event has its hash, all lead to the head, and the last says how it came out: { whole, events, broken }; null where
// browsers do not hash.
export async function added(receipt) {
  if (!globalThis.crypto?.subtle) return null;
  const fields = read(receipt);
  const utf8 = new TextEncoder();
  let head = await hash(utf8.encode(canonical([fields.get("schema"), fields.get("debate_id")])));
  let broken = null;
  const entries = fields.get("transcript");
  for (const entry of entries) {
    const seq = entry.get("seq").written;
    const said = hex(await hash(utf8.encode(canonical(["type", "timestamp", "data"].map((name) => entry.get(name))))));
    const leaf = await hash([0], utf8.encode(`[${seq},"${said}"]`));
    if (hex(leaf) !== text(entry.get("hash"))) broken ??= Number(seq);
    head = await hash(head, leaf);
  }
  const whole = broken === null && hex(head) === text(fields.get("head")) && matches(fields.get("outcome"), entries.at(-1));
  return { whole, events: entries.length, broken };
}
