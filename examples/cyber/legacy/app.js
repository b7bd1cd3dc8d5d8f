// The article's interface in front of the newer one, for callers that know nothing of levels and errors.

import { process } from "cyber:packets/data-processor@0.2.0";

const LEVEL = 7;

export const dataProcessor = {
  process({ id, payload }) {
    try {
      const done = process({ id, payload, encryptionLevel: LEVEL });
      return `${done.status} (${done.verificationHash})`;
    } catch (error) {
      return `REJECTED: ${error.payload?.tag ?? error}`;
    }
  },
};
