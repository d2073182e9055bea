// One line that names every part of the desk with its state; details are in the panels below.
import { useLive } from "../../api/live";
import type { Status } from "../../api/types";
import { StatusMark } from "../../components/ui/figures";

interface Part {
  name: string;
  status: Status;
  detail: string;
}

export function HealthStrip() {
  const { health } = useLive();
  const { broker, postgres, redis } = health;
  const parts: Part[] = [
    ...(health.processes ?? []).map((part) => ({ ...part, detail: part.state })),
    ...(health.feeds ?? []).map((part) => ({
      ...part,
      detail: [
        part.state,
        part.reason,
        part.gap && `gap: ${part.gap.cause}`,
        part.drifts > 0 && `${part.drifts} changed fields`,
      ]
        .filter(Boolean)
        .join(", "),
    })),
  ];
  if (broker?.state) {
    const status = broker.state === "ready" ? "up" : "degraded";
    parts.push({ name: "broker", status, detail: broker.state });
  }
  for (const { name, status, lag_seconds } of health.projections ?? []) {
    if (status === "up") continue;
    parts.push({ name: `lag of ${name}`, status, detail: `${lag_seconds} s behind` });
  }
  if (postgres) parts.push({ name: "postgres", status: postgres.status, detail: postgres.reason ?? "" });
  if (redis) parts.push({ name: "redis", status: redis.status, detail: redis.reason ?? "" });
  return (
    <ul className="strip" aria-label="Health">
      {parts.length === 0 && <li className="faded">Waiting for the first health report…</li>}
      {parts.map((part) => (
        <li key={part.name} title={part.detail}>
          <StatusMark status={part.status} text={part.name} />
          {part.status !== "up" && <small> {part.detail || part.status}</small>}
        </li>
      ))}
    </ul>
  );
}
