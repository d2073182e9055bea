import { describe, expect, it } from "vitest";
import { prettyJson } from "./payload";

describe("prettyJson", () => {
  it("indents like the standard and keeps the meaning", () => {
    const value = { a: [1, 2, { b: 'x "y", {z}' }], c: {}, d: [], e: null, f: "\\" };
    const text = JSON.stringify(value);
    expect(prettyJson(text)).toBe(JSON.stringify(value, null, 2));
    expect(JSON.parse(prettyJson(text))).toEqual(value);
  });

  it("keeps digits that a number would lose", () => {
    expect(prettyJson('{"price":1.100000000000000000001}')).toContain("1.100000000000000000001");
  });

  it("leaves very long text as it is", () => {
    const long = `["${"x".repeat(70_000)}"]`;
    expect(prettyJson(long)).toBe(long);
  });
});
