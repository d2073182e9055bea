// What was told to whom: deliveries with their outcome, and the commentary behind them.
import { usePublications, useReports } from "../../api/queries";
import type { PublicationRow, ReportRow } from "../../api/types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { clockText, type TimeMode } from "../../models/format/times";
import { EventLink, Link } from "../../routes/link";
import { useDesk } from "../login/session";

const UNSURE = ["unknown", "asking the vendor", "waits for the operator"];

function Text({ title, body }: { title: string; body: string }) {
  return (
    <span className="clip">
      <strong>{title}</strong> {body}
    </span>
  );
}

function deliveryColumns(timeMode: TimeMode): Column<PublicationRow>[] {
  return [
    { title: "Due", cell: (row) => clockText(row.due_at, timeMode, false) },
    {
      title: "To",
      cell: (row) => (
        <span className="nowrap">{[row.vendor, row.tier ?? row.channel].join(" ")}</span>
      ),
    },
    { title: "Kind", cell: (row) => <EventLink id={row.event_id}>{row.kind}</EventLink> },
    { title: "Text", cell: (row) => <Text title={row.title} body={row.body} /> },
    {
      title: "State",
      cell: (row) => (
        <span className={UNSURE.includes(row.state) ? "tone-bad" : ""} title={row.detail}>
          {row.state}
          {row.attempts > 1 && ` (${row.attempts} attempts)`}
        </span>
      ),
    },
    { title: "", cell: (row) => <Link to={`/explain/${row.correlation_id}`}>why</Link> },
  ];
}

const REPORT_COLUMNS: Column<ReportRow>[] = [
  { title: "Report", cell: (row) => <EventLink id={row.event_id}>{row.kind}</EventLink> },
  { title: "Text", cell: (row) => <span className="clip">{row.text}</span> },
  { title: "Check", cell: (row) => [row.verdict, ...row.findings].filter(Boolean).join(": ") },
  { title: "Cost", numeric: true, cell: (row) => row.cost_usd ?? "–" },
  { title: "State", cell: (row) => row.state },
];

export function Messages() {
  const publications = usePublications();
  const reports = useReports();
  const { timeMode } = useDesk();
  return (
    <>
      <h1>Messages</h1>
      <Panel title="Deliveries" readAt={publications.dataUpdatedAt} error={publications.error}>
        <Table
          caption="Deliveries"
          columns={deliveryColumns(timeMode)}
          rows={publications.data?.rows ?? []}
          id={(row) => row.delivery_id}
          empty="Nothing was sent yet."
        />
      </Panel>
      <Panel title="Commentary" readAt={reports.dataUpdatedAt} error={reports.error}>
        <Table
          caption="Commentary"
          columns={REPORT_COLUMNS}
          rows={reports.data?.rows ?? []}
          id={(row) => row.report_id}
          empty="No report is due yet."
        />
      </Panel>
    </>
  );
}
