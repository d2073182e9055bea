import { expect, it } from "vitest";
import { bytesText } from "./bytes";

it.each([
  [undefined, "–"],
  [0, "0 B"],
  [999, "999 B"],
  [1_500, "1.5 kB"],
  [2_000_000_000, "2.0 GB"],
])("shows %s bytes as %s", (bytes, text) => expect(bytesText(bytes)).toBe(text));
