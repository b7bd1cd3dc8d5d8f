/** Names with one or more values each, in the order in which they came: query parameters. */
export class Parameters {
  #pairs;

  constructor(pairs = []) {
    const given = Symbol.iterator in pairs ? [...pairs] : Object.entries(pairs);
    this.#pairs = given.map(([name, value]) => [this.key(name), String(value)]);
  }

  /** What names are compared by. */
  key(name) {
    return String(name);
  }

  /** The first value of a name, or the fallback. */
  get(name, fallback = undefined) {
    const key = this.key(name);
    const pair = this.#pairs.find(([known]) => known === key);
    return pair === undefined ? fallback : pair[1];
  }

  /** Every value of a name, in order. */
  getAll(name) {
    const key = this.key(name);
    return this.#pairs.filter(([known]) => known === key).map(([, value]) => value);
  }

  /** Whether there is such a name. */
  has(name) {
    return this.get(name) !== undefined;
  }

  /** Give a name this one value, in place of all that it had. */
  set(name, value) {
    this.delete(name);
    this.append(name, value);
  }

  /** Give a name one more value. */
  append(name, value) {
    this.#pairs.push([this.key(name), String(value)]);
  }

  /** Take all values of a name away. */
  delete(name) {
    const key = this.key(name);
    this.#pairs = this.#pairs.filter(([known]) => known !== key);
  }

  /** All pairs in order; a name with two values comes twice. */
  [Symbol.iterator]() {
    return this.#pairs.values();
  }
}

/** Header fields: the case of a name does not matter; names are kept in lower case. */
export class Headers extends Parameters {
  key(name) {
    return String(name).toLowerCase();
  }
}

/** Read a query string. */
export function parseQuery(text) {
  const pairs = text.split("&").filter((part) => part !== "");
  return new Parameters(
    pairs.map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? [unescaped(part), ""] : [unescaped(part.slice(0, at)), unescaped(part.slice(at + 1))];
    }),
  );
}

function unescaped(text) {
  return percentDecoded(text.replaceAll("+", " "));
}

/** Decode percent signs where they are right, and leave them where they are not. */
export function percentDecoded(text) {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
