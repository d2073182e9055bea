// The approval queue as it stands; the buttons are on Telegram, this is the mirror.
import { useApprovals } from "../../api/queries";
import type { ApprovalRow } from "../../api/types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { clockText, type TimeMode } from "../../models/format/times";
import { EventLink } from "../../routes/link";
import { useDesk } from "../login/session";

const SHOWN_MAX = 8;

function columnsFor(timeMode: TimeMode): Column<ApprovalRow>[] {
  return [
    { title: "Approval", cell: (row) => <EventLink id={row.event_id}>{row.kind}</EventLink> },
    { title: "Text", cell: (row) => <span className="clip">{row.text}</span> },
    { title: "For", cell: (row) => row.targets.join(", ") },
    { title: "Until", cell: (row) => clockText(row.expires_at, timeMode, false) },
    { title: "State", cell: (row) => (row.who ? `${row.state} by ${row.who}` : row.state) },
  ];
}

export function ApprovalsPanel() {
  const { data, error, dataUpdatedAt } = useApprovals();
  const { timeMode } = useDesk();
  return (
    <Panel title="Approvals" readAt={dataUpdatedAt} error={error}>
      <Table
        caption="Approvals"
        columns={columnsFor(timeMode)}
        rows={(data?.rows ?? []).slice(0, SHOWN_MAX)}
        id={(row) => row.approval_id}
        empty="Nobody waits."
        faded={(row) => row.is_over}
      />
    </Panel>
  );
}
