// Working orders first, then the newest that ended.
import { useOrders } from "../../api/queries";
import type { OrderRow } from "../../api/types";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { legsText } from "../../models/format/legs";
import { EventLink } from "../../routes/link";

const SHOWN_MAX = 15;

const COLUMNS: Column<OrderRow>[] = [
  { title: "Order", cell: (row) => <EventLink id={row.event_id}>{row.purpose.replace("_", " ")}</EventLink> },
  { title: "What", cell: (row) => `${row.action} ${row.symbol} ${legsText(row.structure)}` },
  { title: "Filled", numeric: true, cell: (row) => `${row.filled} of ${row.quantity}` },
  {
    title: "Price",
    numeric: true,
    cell: (row) => (row.stop_price ? `${row.stop_price} → ${row.limit_price}` : row.limit_price),
  },
  {
    title: "State",
    cell: (row) => (
      <span className={row.state === "unknown" ? "tone-bad" : ""} title={row.reason}>
        {row.state.replace("_", " ")}
      </span>
    ),
  },
];

export function OrdersPanel() {
  const { data, error, dataUpdatedAt } = useOrders();
  return (
    <Panel title="Orders" readAt={dataUpdatedAt} error={error}>
      <Table
        caption="Orders"
        columns={COLUMNS}
        rows={(data?.rows ?? []).slice(0, SHOWN_MAX)}
        id={(row) => row.order_ref}
        empty="No orders."
        faded={(row) => row.is_over}
      />
    </Panel>
  );
}
