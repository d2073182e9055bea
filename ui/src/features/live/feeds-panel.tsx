// How every feed is: its state, gaps, silence, what changed in its messages, the calls it has left.
import { useLive } from "../../api/live";
import { StatusMark } from "../../components/ui/figures";
import { Panel } from "../../components/ui/panel";
import { clockText, zoneText } from "../../models/format/times";
import { findings, type Feed } from "../../models/health/findings";
import { useDesk } from "../login/session";

const SHOWN_MAX = 12;

export function FeedsPanel() {
  const { health, lastFrameAt } = useLive();
  const { broker } = health;
  return (
    <Panel title="Feeds" readAt={lastFrameAt} staleAfterSeconds={6}>
      <ul className="health">
        {(health.feeds ?? []).map((feed) => (
          <FeedLines key={feed.name} feed={feed} />
        ))}
        {broker?.state && (
          <li>
            <StatusMark status={broker.state === "ready" ? "up" : "degraded"} text="broker" />
            <span>
              {broker.state}
              {broker.reconciled &&
                (broker.reconciled.is_clean
                  ? ", reconciled"
                  : `, differs: ${broker.reconciled.differences.join("; ")}`)}
            </span>
          </li>
        )}
      </ul>
    </Panel>
  );
}

function FeedLines({ feed }: { feed: Feed }) {
  const { timeMode } = useDesk();
  const all = findings(feed);
  const shown = all.slice(0, SHOWN_MAX);
  return (
    <>
      <li>
        <StatusMark status={feed.status} text={feed.name} />
        <span>
          {feed.state} {feed.reason}
        </span>
      </li>
      {shown.map(({ key, text, since, tone }) => (
        <li key={`${feed.name} ${key}`} className={`finding ${tone}`}>
          <span>{text}</span>
          {since && (
            <small>
              since {clockText(since, timeMode, false)} {zoneText(timeMode)}
            </small>
          )}
        </li>
      ))}
      {all.length > shown.length && (
        <li className="finding">and {all.length - shown.length} more of {feed.name}</li>
      )}
    </>
  );
}
