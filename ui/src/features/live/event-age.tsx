// The age of a datum, greyed when it is older than its phase allows, or old for a running feed.
import { durationText } from "../../models/timeline/durations";

const OLD_SECONDS = 30;

export function EventAge({ seconds, limit }: { seconds: number; limit?: number | null }) {
  return (
    <span className={seconds > (limit ?? OLD_SECONDS) ? "stale-figure" : ""}>
      {durationText(seconds * 1_000)}
    </span>
  );
}
