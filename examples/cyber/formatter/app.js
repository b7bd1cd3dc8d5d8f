// The texts of the cyber system, in JavaScript.

const plural = new Map([[0, "no bytes"], [1, "1 byte"]]);

export const format = {
  status({ id, size, level }) {
    const shown = plural.get(size) ?? `${size} bytes`;
    return `SECURE_VERIFIED: ${shown} of ${JSON.stringify(id)} at level ${level}`;
  },
};
