// How every part is: processes, feeds with the age of their last datum, lags, queues, stores.
import { useLive } from "../../api/live";
import { StatusMark } from "../../components/ui/figures";
import { Panel } from "../../components/ui/panel";
import { bytesText } from "../../models/format/bytes";
import { EventAge } from "./event-age";
import { FeedsPanel } from "./feeds-panel";
import { JobsPanel } from "./jobs-panel";

const CHANNELS_SHOWN_MAX = 40;

export function HealthPanels() {
  const { health, lastFrameAt } = useLive();
  const { queues, redis, postgres } = health;
  const channels = health.channels ?? [];
  const known = { readAt: lastFrameAt, staleAfterSeconds: 6 };
  return (
    <>
      <Panel title="Processes" {...known}>
        <ul className="health">
          {(health.processes ?? []).map((process) => (
            <li key={process.name}>
              <StatusMark status={process.status} text={process.name} />
              <span>
                {process.state}, heartbeat {process.age_seconds} s
                {process.figures["lag_seconds"] && `, lag ${process.figures["lag_seconds"]} s`}
                {process.figures["queue_depth"] && `, queue ${process.figures["queue_depth"]}`}
              </span>
            </li>
          ))}
        </ul>
      </Panel>
      <FeedsPanel />
      <Panel title="Age of the last datum" {...known}>
        <ul className="health columns">
          {channels.slice(0, CHANNELS_SHOWN_MAX).map((channel) => (
            <li key={channel.stream} title={channel.reason}>
              <StatusMark status={channel.status} text={channel.stream} />
              <span>
                <EventAge seconds={channel.age_seconds} limit={channel.limit_seconds} />
                {channel.limit_seconds !== null && <small> of {channel.limit_seconds} s</small>}
              </span>
            </li>
          ))}
        </ul>
        {channels.length > CHANNELS_SHOWN_MAX && (
          <p className="faded">and {channels.length - CHANNELS_SHOWN_MAX} more, all well</p>
        )}
      </Panel>
      <Panel title="Lag and queues" {...known}>
        <ul className="health">
          {(health.projections ?? []).map((consumer) => (
            <li key={consumer.name}>
              <StatusMark status={consumer.status} text={consumer.name} />
              <span>
                {consumer.lag_events} events, {consumer.lag_seconds} s behind
              </span>
            </li>
          ))}
          <li>
            <span>Approvals waiting</span> <span>{queues?.approvals_waiting ?? "–"}</span>
          </li>
          <li>
            <span>Deliveries waiting, unknown</span>
            <span>
              {queues?.deliveries_waiting ?? "–"}, {queues?.deliveries_unknown ?? "–"}
            </span>
          </li>
        </ul>
      </Panel>
      <JobsPanel />
      <Panel title="Stores" {...known}>
        <ul className="health">
          <li>
            <StatusMark status={postgres?.status ?? "down"} text="Postgres" />
            <span>
              {postgres?.reason ??
                `head ${postgres?.head ?? "–"}, ${postgres?.latency_ms ?? "–"} ms, ${bytesText(postgres?.size_bytes)}`}
            </span>
          </li>
          <li>
            <StatusMark status={redis?.status ?? "down"} text="Redis" />
            <span>
              {redis?.reason ??
                `${bytesText(redis?.used_memory_bytes)} used, ${redis?.latency_ms ?? "–"} ms`}
            </span>
          </li>
        </ul>
      </Panel>
    </>
  );
}
