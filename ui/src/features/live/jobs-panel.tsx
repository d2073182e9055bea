// What the keeper did last and does next, and what the newest report of the ingestion says.
import { useLive } from "../../api/live";
import { StatusMark } from "../../components/ui/figures";
import { Panel } from "../../components/ui/panel";
import { momentText, type TimeMode } from "../../models/format/times";
import { useDesk } from "../login/session";

export function JobsPanel() {
  const { health, lastFrameAt } = useLive();
  const { timeMode } = useDesk();
  const jobs = health.jobs ?? [];
  const report = health.ingestion ?? {};
  return (
    <Panel title="Jobs" readAt={lastFrameAt} staleAfterSeconds={6}>
      {jobs.length === 0 && <p className="empty">The keeper has not said what it does.</p>}
      <ul className="health">
        {jobs.map((job) => (
          <li key={job.name} title={job.detail}>
            <StatusMark status={job.last_outcome === "failed" ? "degraded" : "up"} text={job.name} />
            <span>
              {job.state === "running" ? "running" : (job.last_outcome ?? "not yet done")}
              {job.last_at && ` ${minuteText(job.last_at, timeMode)}`}
              {job.next_at && `, next ${minuteText(job.next_at, timeMode)}`}
            </span>
            {job.last_outcome === "failed" && <small className="tone-warning">{job.detail}</small>}
          </li>
        ))}
        {report.session_date && (
          <li>
            <span>Ingestion of {report.session_date}</span>
            <span>
              {report.messages} messages, {report.rejected} rejected, {report.repeated} repeated,{" "}
              {report.lost} lost, {report.gaps} gaps ({report.gap_seconds} s), {report.drifts} drifts
            </span>
          </li>
        )}
      </ul>
    </Panel>
  );
}

/** 2026-10-06 10:05 ET, without seconds. */
function minuteText(moment: string, mode: TimeMode): string {
  return momentText(moment, mode).replace(/:\d\d\.\d{3}/, "");
}
