// Figures and states as the API gives them: text, with a sign that does not rest on colour alone.
import type { Status } from "../../api/types";

/** A result in dollars. */
export function Money({ value }: { value: string | null | undefined }) {
  if (value === null || value === undefined) return <span className="faded">–</span>;
  const isNegative = value.startsWith("-");
  const isZero = /^-?0*(\.0*)?$/.test(value);
  const mark = isZero ? "" : isNegative ? "▼ " : "▲ ";
  const tone = isZero ? "" : isNegative ? "tone-bad" : "tone-good";
  return (
    <span className={tone}>
      {mark}
      {value}
    </span>
  );
}

const SYMBOLS: Record<Status, string> = { up: "●", degraded: "◐", down: "○" };

export function StatusMark({ status, text }: { status: Status; text?: string }) {
  return (
    <span className={`status status-${status}`}>
      <span aria-hidden="true">{SYMBOLS[status]}</span> {text ?? status}
    </span>
  );
}
