// Payload text for reading: indented without passing figures through numbers, so that every digit
// stays as it is stored.

const MAX_PRETTY_CHARACTERS = 65_536;

export function prettyJson(text: string): string {
  if (text.length > MAX_PRETTY_CHARACTERS) return text;
  let out = "";
  let depth = 0;
  let inString = false;
  const line = () => `\n${"  ".repeat(Math.max(0, depth))}`;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index] ?? "";
    if (inString) {
      out += character;
      if (character === "\\") {
        index += 1;
        out += text[index] ?? "";
      } else if (character === '"') inString = false;
    } else if (character === '"') {
      inString = true;
      out += character;
    } else if (character === "{" || character === "[") {
      const closing = character === "{" ? "}" : "]";
      if (text[index + 1] === closing) {
        out += character + closing;
        index += 1;
      } else {
        depth += 1;
        out += character + line();
      }
    } else if (character === "}" || character === "]") {
      depth -= 1;
      out += line() + character;
    } else if (character === ",") out += `,${line()}`;
    else if (character === ":") out += ": ";
    else if (!/\s/.test(character)) out += character;
  }
  return out;
}
