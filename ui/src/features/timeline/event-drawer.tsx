// One event beside the view it was opened from: payload as stored, cause and effect, envelope.
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useChain, useEvent } from "../../api/queries";
import type { EventWithPayload } from "../../api/types";
import { prettyJson } from "../../models/format/payload";
import { momentText } from "../../models/format/times";
import { chainRows } from "../../models/timeline/chain-rows";
import { durationText } from "../../models/timeline/durations";
import { EventLink, Link } from "../../routes/link";
import { navigate, usePlace, withParameter } from "../../routes/location";
import { useDesk } from "../login/session";
import { EventName } from "./event-list";
import { Waterfall } from "./waterfall";

const AROUND_MS = 5_000;

export function EventDrawer({ id }: { id: string }) {
  const place = usePlace();
  const { data, error } = useEvent(id);
  const panel = useRef<HTMLElement>(null);
  const close = withParameter(place, "event", "");
  useEffect(() => panel.current?.focus(), []);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
      navigate(close);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [close]);
  return (
    <aside ref={panel} className="drawer" aria-label="Event" tabIndex={-1}>
      <header className="drawer-head">
        <h2>{data ? <EventName type={data.type} /> : "Event"}</h2>
        <Link to={close} className="button quiet">
          Close
        </Link>
      </header>
      {error && (
        <p role="alert" className="tone-bad">
          {error.message}
        </p>
      )}
      {data ? <Event event={data} /> : !error && <p className="empty">Reading…</p>}
    </aside>
  );
}

function Event({ event }: { event: EventWithPayload }) {
  const at = Date.parse(event.market_time);
  const moment = (offset: number) => new Date(at + offset).toISOString();
  const around = new URLSearchParams({
    retention: "all",
    from: moment(-AROUND_MS),
    to: moment(AROUND_MS),
    event: event.event_id,
  });
  return (
    <>
      <p>{event.summary}</p>
      <p className="buttons">
        <Link to={`/explain/${event.correlation_id}`} className="button">
          Explain its story
        </Link>
        <Link
          to={`/timeline?correlation=${event.correlation_id}&event=${event.event_id}`}
          className="button"
        >
          Only its story
        </Link>
        <Link to={`/timeline?${around.toString()}`} className="button">
          5 s around it
        </Link>
        <Copy name="link" text={() => window.location.href} />
        <Copy name="JSON" text={() => JSON.stringify(event, null, 2)} />
      </p>
      <CauseAndEffect id={event.event_id} />
      <h3>Payload</h3>
      {event.payload_is_cut && (
        <p className="tone-warning">
          Cut: {event.payload_characters} characters.{" "}
          <a href={`/api/v1/events/${event.event_id}?full=true`}>The whole payload</a>
        </p>
      )}
      <pre className="payload">{prettyJson(event.payload_text)}</pre>
      <Envelope event={event} />
    </>
  );
}

function CauseAndEffect({ id }: { id: string }) {
  const { data, error } = useChain(id);
  return (
    <>
      <h3>Cause and effect</h3>
      {error && (
        <p role="alert" className="tone-bad">
          {error.message}
        </p>
      )}
      {data?.missing_cause && (
        <p role="alert" className="tone-bad">
          Its cause {data.missing_cause} is not on the log.
        </p>
      )}
      {data && <Waterfall rows={chainRows(data)} />}
      {data?.is_cut && <p className="tone-warning">There is more than is shown here.</p>}
    </>
  );
}

function Envelope({ event }: { event: EventWithPayload }) {
  const { timeMode } = useDesk();
  const late = Date.parse(event.recorded_at) - Date.parse(event.occurred_at);
  const rows: [string, ReactNode][] = [
    ["Position", `${event.position} (${event.retention})`],
    ["Stream", `${event.stream}, version ${event.version}`],
    ["Market time", momentText(event.market_time, timeMode)],
    ["Occurred", momentText(event.occurred_at, timeMode)],
    [
      "Recorded",
      `${momentText(event.recorded_at, timeMode)}${
        late >= 0 && late < 3_600_000 ? `, ${durationText(late)} later` : ""
      }`,
    ],
    ["By", `${event.worker}, build ${event.build}`],
    [
      "Input",
      event.input_position === null ? "none" : `${event.input_position}, ordinal ${event.ordinal}`,
    ],
    [
      "Cause",
      event.causation_id ? (
        <EventLink key="cause" id={event.causation_id}>
          {event.causation_id}
        </EventLink>
      ) : (
        "none: it came from outside"
      ),
    ],
    ["Story", event.correlation_id],
    ["Event id", event.event_id],
    ["Schema", event.schema],
  ];
  return (
    <>
      <h3>Envelope</h3>
      <dl className="pairs">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Copy({ name, text }: { name: string; text: () => string }) {
  const [told, setTold] = useState("");
  const copy = () => {
    navigator.clipboard
      .writeText(text())
      .then(() => setTold("copied"))
      .catch(() => setTold("not allowed here"));
  };
  return (
    <button type="button" className="quiet" onClick={copy}>
      Copy {name} <output>{told}</output>
    </button>
  );
}
