// Every control in one place, by how dangerous it is, and what became of the last requests.
import { useState } from "react";
import { useLive } from "../../api/live";
import { Panel } from "../../components/ui/panel";
import { StatusMark } from "../../components/ui/figures";
import { Link } from "../../routes/link";
import { ControlDialog, type ControlSpec } from "./control-dialog";

const STALE_MS = 10_000;

const RELEASE: ControlSpec = {
  title: "Release trading",
  consequence: "Entries are allowed again. Say why the cause of the halt is gone.",
  path: "/release",
  button: "Release",
  needsPassword: true,
  isDanger: true,
};
const FLATTEN: ControlSpec = {
  title: "Flatten everything",
  consequence: "Halts, then closes every position at the market's price.",
  path: "/flatten",
  button: "Flatten everything",
  typedWord: "FLATTEN",
  isDanger: true,
};
const FLUSH: ControlSpec = {
  title: "Flush the cache",
  consequence: "The Redis views are dropped and built again from the log. Nothing is lost.",
  path: "/cache/flush",
  button: "Flush",
  extra: { cache: "hot" },
};

function feedSpec(feed: string, verb: "pause" | "resume"): ControlSpec {
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

export function Controls() {
  const { health, lastFrameAt, connection } = useLive();
  const [spec, setSpec] = useState<ControlSpec | null>(null);
  const isHalted = health.halt?.is_halted ?? false;
  // Nothing but the halt acts on a picture that is not current.
  const isLocked = connection !== "live" || Date.now() - lastFrameAt > STALE_MS;
  return (
    <>
      <h1>Controls</h1>
      {isLocked && (
        <p role="status" className="tone-bad">
          The page is not current: only Halt works until it is.
        </p>
      )}
      <div className="grid">
        <Panel title="Trading">
          <p>
            {isHalted
              ? `Halted by ${health.halt?.who}: ${health.halt?.reason}`
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
            One position is closed from its row on <Link to="/">Live</Link>.
          </p>
        </Panel>
        <Panel title="Feeds">
          {(health.feeds ?? []).length === 0 && <p className="empty">No feed has reported yet.</p>}
          <ul className="health">
            {(health.feeds ?? []).map((feed) => {
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
        <Panel title="Caches">
          <button type="button" disabled={isLocked} onClick={() => setSpec(FLUSH)}>
            Flush the Redis views…
          </button>
        </Panel>
      </div>
      <p>
        <Link to="/timeline?stream=control">What was requested and decided</Link>
      </p>
      {spec && <ControlDialog key={spec.path} spec={spec} onClose={() => setSpec(null)} />}
    </>
  );
}
