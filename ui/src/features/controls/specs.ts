// What each control asks for before it is pressed: how dangerous, the more to confirm.
import type { ControlSpec } from "./control-dialog";

export const HALT_REASON = "halted by the operator";

export const HALT: ControlSpec = {
  title: "Halt trading",
  consequence:
    "Entries stop and working entries are cancelled. Exits and protective stops go on.",
  path: "/halt",
  button: "Halt now",
  defaultReason: HALT_REASON,
  isDanger: true,
};

export const RELEASE: ControlSpec = {
  title: "Release trading",
  consequence: "Entries are allowed again. Say why the cause of the halt is gone.",
  path: "/release",
  button: "Release",
  typedWord: "RELEASE",
  needsPassword: true,
  isDanger: true,
};

export const FLATTEN: ControlSpec = {
  title: "Flatten everything",
  consequence: "Halts, then closes every position at the market's price.",
  path: "/flatten",
  button: "Flatten everything",
  typedWord: "FLATTEN",
  isDanger: true,
};

const EVIDENCE = {
  name: "evidence",
  label: "Evidence: where it is written",
  pattern: ".{8,500}",
  isRequired: true,
};

export const ADJUST: ControlSpec = {
  title: "Explain what the broker holds",
  consequence:
    "Takes over exactly the difference that the broker's list shows. Without a position the contracts are nobody's: nothing watches or leaves them.",
  path: "/books/position",
  button: "Take it over",
  fields: [
    { name: "con_id", label: "Contract (the broker's id)", pattern: "[0-9]{1,15}", isRequired: true },
    {
      name: "quantity",
      label: "The broker's holding less ours",
      pattern: "-?[0-9]{1,6}",
      isRequired: true,
    },
    { name: "position_id", label: "Position, if it is one of the desk", pattern: "P[0-9a-f]{16}" },
    { name: "price", label: "Price a share, with a position" },
    EVIDENCE,
  ],
  toBody: (given) => ({
    ...given,
    con_id: Number(given["con_id"]),
    quantity: Number(given["quantity"]),
  }),
  needsPassword: true,
  isDanger: true,
};

export const CASH_FLOW: ControlSpec = {
  title: "Record a deposit or withdrawal",
  consequence:
    "The limits on profit and loss take the amount for neither. A withdrawal is negative.",
  path: "/books/cash-flow",
  button: "Record",
  fields: [
    {
      name: "amount",
      label: "Amount in dollars",
      pattern: "-?[0-9]{1,9}([.][0-9]{1,2})?",
      isRequired: true,
    },
    EVIDENCE,
  ],
  needsPassword: true,
  isDanger: true,
};

export const FLUSH: ControlSpec = {
  title: "Flush the cache",
  consequence: "The Redis views are dropped and built again from the log. Nothing is lost.",
  path: "/cache/flush",
  button: "Flush",
  extra: { cache: "hot" },
};

export function feedSpec(feed: string, verb: "pause" | "resume"): ControlSpec {
  const consequence =
    verb === "pause"
      ? `Messages of ${feed} are no longer taken in; entries that need it fail closed.`
      : `Messages of ${feed} are taken in again.`;
  return {
    title: `${verb === "pause" ? "Pause" : "Resume"} ${feed}`,
    consequence,
    path: `/feeds/${encodeURIComponent(feed)}/${verb}`,
    button: verb === "pause" ? "Pause" : "Resume",
  };
}
