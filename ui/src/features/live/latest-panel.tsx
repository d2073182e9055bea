// The newest desk events: those of before the page was opened, then what the live stream brings.
import { useLive } from "../../api/live";
import { useLatest } from "../../api/queries";
import { Panel } from "../../components/ui/panel";
import { HOUSEKEEPING } from "../../models/timeline/housekeeping";
import { Link } from "../../routes/link";
import { EventList } from "../timeline/event-list";

const SHOWN_MAX = 10;

export function LatestPanel() {
  const { events, lastFrameAt } = useLive();
  const before = useLatest();
  const first = before.data?.events[0]?.position ?? 0;
  const told = events.filter(
    (event) => event.position > first && !HOUSEKEEPING.includes(event.type),
  );
  const shown = [...told, ...(before.data?.events ?? [])].slice(0, SHOWN_MAX);
  return (
    <Panel title="Latest events" readAt={lastFrameAt} staleAfterSeconds={6}>
      {shown.length === 0 && <p className="empty">Nothing on the log yet.</p>}
      <div className="narrow">
        <EventList events={shown} label="Latest events" />
      </div>
      <p>
        <Link to="/timeline">All in the timeline</Link>
      </p>
    </Panel>
  );
}
