// Every control in one place, by how dangerous it is, and what became of the last requests.
import { useState } from "react";
import { useLive } from "../../api/live";
import { useRequests } from "../../api/queries";
import { Panel } from "../../components/ui/panel";
import { StatusMark } from "../../components/ui/figures";
import { Link } from "../../routes/link";
import { EventList } from "../timeline/event-list";
import { ControlDialog, type ControlSpec } from "./control-dialog";
import { ADJUST, CASH_FLOW, feedSpec, FLATTEN, FLUSH, RELEASE } from "./specs";
import { useLock } from "./use-lock";

export function Controls() {
  const { health } = useLive();
  const [spec, setSpec] = useState<ControlSpec | null>(null);
  const isHalted = health.halt?.is_halted ?? false;
  const isLocked = useLock();
  const feeds = health.feeds ?? [];
  const differences = health.broker?.reconciled?.differences ?? [];
  return (
    <>
      <h1>Controls</h1>
      {isLocked && (
        <output className="tone-bad">The page is not current: only Halt works until it is.</output>
      )}
      <div className="grid">
        <Panel title="Trading">
          <p>
            {isHalted
              ? `Halted by ${health.halt?.who}: ${health.halt?.reason}`
              : health.halt?.state === "reducing"
                ? `Only orders that reduce risk may leave: ${health.halt.codes?.join(", ")}`
                : "Entries are open. Halt is in the header of every page."}
          </p>
          <p className="buttons">
            <button type="button" disabled={isLocked || !isHalted} onClick={() => setSpec(RELEASE)}>
              Release…
            </button>
            <button
              type="button"
              className="danger"
              disabled={isLocked}
              onClick={() => setSpec(FLATTEN)}
            >
              Flatten…
            </button>
          </p>
          <p>
            One position is closed from its row on <Link to="/">Live</Link>; limits are changed on{" "}
            <Link to="/limits">Limits</Link>.
          </p>
        </Panel>
        <Panel title="Feeds">
          {feeds.length === 0 && <p className="empty">No feed has reported yet.</p>}
          <ul className="health">
            {feeds.map((feed) => {
              const verb = feed.state === "paused" ? "resume" : "pause";
              return (
                <li key={feed.name}>
                  <StatusMark status={feed.status} text={`${feed.name}: ${feed.state}`} />
                  <button
                    type="button"
                    disabled={isLocked}
                    onClick={() => setSpec(feedSpec(feed.name, verb))}
                  >
                    {verb === "pause" ? "Pause…" : "Resume…"}
                  </button>
                </li>
              );
            })}
          </ul>
        </Panel>
        <Panel title="Books">
          {differences.length === 0 ? (
            <p>The broker holds what the desk holds.</p>
          ) : (
            <ul className="tone-bad">
              {differences.map((text) => (
                <li key={text}>{text}</li>
              ))}
            </ul>
          )}
          <p className="buttons">
            <button type="button" disabled={isLocked} onClick={() => setSpec(ADJUST)}>
              Explain a holding…
            </button>
            <button type="button" disabled={isLocked} onClick={() => setSpec(CASH_FLOW)}>
              Deposit or withdrawal…
            </button>
          </p>
        </Panel>
        <Panel title="Caches">
          <p>The page reads the log itself; outside readers use the Redis views.</p>
          <button type="button" disabled={isLocked} onClick={() => setSpec(FLUSH)}>
            Flush the Redis views…
          </button>
        </Panel>
      </div>
      <LastRequests />
      {spec && <ControlDialog key={spec.path} spec={spec} onClose={() => setSpec(null)} />}
    </>
  );
}

function LastRequests() {
  const { data, error, dataUpdatedAt } = useRequests();
  return (
    <section className="below">
      <Panel title="What was requested and decided" readAt={dataUpdatedAt} error={error}>
        {data?.events.length === 0 && <p className="empty">Nothing yet.</p>}
        <EventList events={data?.events ?? []} label="What was requested and decided" />
      </Panel>
    </section>
  );
}
