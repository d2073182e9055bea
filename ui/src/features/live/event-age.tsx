// The age of a datum, greyed when it is old for a running feed.
import { durationText } from "../../models/timeline/durations";

const OLD_SECONDS = 30;

export function EventAge({ seconds }: { seconds: number }) {
  return (
    <span className={seconds > OLD_SECONDS ? "stale-figure" : ""}>
      {durationText(seconds * 1_000)}
    </span>
  );
}
