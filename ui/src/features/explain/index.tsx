// One story told as a trade runs: outcome, gates, score, checks of risk, then every event.
import type { ReactNode } from "react";
import { usePositions, useStory } from "../../api/queries";
import type { EventRow } from "../../api/types";
import { ErrorBoundary } from "../../components/ui/error-boundary";
import { Money } from "../../components/ui/figures";
import { Panel } from "../../components/ui/panel";
import { legsText } from "../../models/format/legs";
import { momentText } from "../../models/format/times";
import { storyStages } from "../../models/timeline/group-events";
import { groupName } from "../../models/timeline/group-name";
import { Link } from "../../routes/link";
import { useDesk } from "../login/session";
import { EventList } from "../timeline/event-list";
import { Conditions } from "./conditions";
import { Features } from "./features";

const GATES_IN = ["SignalValidated", "SignalGatesChanged", "SignalRaised"];
const FEATURES_IN = ["SignalValidated", "SignalRaised"];
const CHECKS_IN = ["RiskDecided"];

export function Explain({ story }: { story: string }) {
  const { data, error, isPending } = useStory(story);
  const events = data?.events ?? [];
  const signal = newest(events, GATES_IN);
  const scored = newest(events, FEATURES_IN);
  const decision = newest(events, CHECKS_IN);
  return (
    <>
      <h1>{events.length > 0 ? groupName(events) : "A story of the log"}</h1>
      <p>
        <Link to={`/timeline?correlation=${encodeURIComponent(story)}`}>
          All of it in the timeline
        </Link>
        {data?.next && <span className="tone-warning"> Only its first events are shown here.</span>}
      </p>
      {error && (
        <p role="alert" className="tone-bad">
          {error.message}
        </p>
      )}
      {events.length === 0 && !error && (
        <p className="empty">{isPending ? "Reading the log…" : "There is no such story."}</p>
      )}
      <div className="stack">
        <ErrorBoundary name="Outcome">
          <Outcome story={story} />
        </ErrorBoundary>
        {signal && (
          <ErrorBoundary name="Gates">
            <Conditions title="Gates of the signal" event={signal} list="gates" />
          </ErrorBoundary>
        )}
        {scored && (
          <ErrorBoundary name="Features">
            <Features event={scored} />
          </ErrorBoundary>
        )}
        {decision && (
          <ErrorBoundary name="Checks">
            <Conditions title="Checks of risk" event={decision} list="checks" />
          </ErrorBoundary>
        )}
        {storyStages(events).map((stage) => (
          <Panel key={stage.lane} title={stage.title}>
            <EventList events={stage.events} label={stage.title} />
          </Panel>
        ))}
      </div>
    </>
  );
}

function newest(events: readonly EventRow[], types: readonly string[]): EventRow | undefined {
  for (const type of types) {
    const found = events.findLast((event) => event.type === type);
    if (found) return found;
  }
  return undefined;
}

function Outcome({ story }: { story: string }) {
  const { data, dataUpdatedAt, error } = usePositions();
  const { timeMode } = useDesk();
  const position = data?.rows.find((row) => row.correlation_id === story);
  if (!position) return null;
  const pairs: [string, ReactNode][] = [
    ["What", `${position.symbol} ${legsText(position.structure)}`],
    ["State", [position.state, position.exit_reason].filter(Boolean).join(": ")],
    ["Units", `${position.units} of ${position.planned_units}`],
    ["Entry", position.entry_price ?? "–"],
    ["Exit", position.exit_price ?? "–"],
    ["Stop, target", `${position.stop_price}, ${position.target_price}`],
    ["Most to lose", `${position.max_loss_usd} USD`],
    ["Fees", position.fees],
    ["Opened", momentText(position.opened_at, timeMode)],
    ["Closed", position.closed_at ? momentText(position.closed_at, timeMode) : "–"],
  ];
  return (
    <Panel title="Outcome" readAt={dataUpdatedAt} error={error}>
      <p className="big">
        <Money value={position.realised_pnl} /> <small>realised, after fees</small>{" "}
        {position.unrealised_pnl !== null && (
          <>
            <Money value={position.unrealised_pnl} /> <small>open</small>
          </>
        )}
      </p>
      <dl className="pairs columns">
        {pairs.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
