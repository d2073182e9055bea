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
