// How good every forecast is, by model, symbol and bucket, and which of them holds entries back.
import type { CalibrationRow } from "../../api/calibration-types";
import { useCalibration } from "../../api/queries";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import {
  bucketText,
  choices,
  figure,
  filtersOf,
  gateText,
  matching,
  modelText,
  symbolText,
  type Filters,
} from "../../models/calibration/describe";
import { Link } from "../../routes/link";
import { navigate, usePlace, withParameter, type Place } from "../../routes/location";
import { Detail } from "./detail";

function columns(place: Place): Column<CalibrationRow>[] {
  return [
    {
      title: "Forecast",
      cell: (row) => (
        <Link to={withParameter(place, "row", row.calibration_id)} isRow>
          {modelText(row.model)}
        </Link>
      ),
    },
    { title: "Symbol", cell: (row) => symbolText(row.symbol) },
    { title: "Bucket", cell: (row) => bucketText(row.bucket) },
    { title: "Made", cell: (row) => (row.scheduled ? "on schedule" : "at decisions") },
    { title: "Outcomes", numeric: true, cell: (row) => row.count },
    { title: "Worth", numeric: true, cell: (row) => figure(row.n_eff, 1) },
    { title: "Skill ever", numeric: true, cell: (row) => figure(row.ever.skill) },
    { title: "Skill recent", numeric: true, cell: (row) => figure(row.recent.skill) },
    {
      title: "Gate",
      cell: (row) => (
        <span className={row.gate === "fail" ? "tone-bad" : row.gate === "" ? "faded" : ""}>
          {gateText(row)}
        </span>
      ),
    },
  ];
}

function Choices({ of, rows, asked }: { of: keyof Filters; rows: CalibrationRow[]; asked: string }) {
  const place = usePlace();
  const texts = { model: modelText, symbol: symbolText, bucket: bucketText };
  return (
    <label>
      {of}{" "}
      <select
        value={asked}
        onChange={(event) => navigate(withParameter(place, of, event.target.value))}
      >
        <option value="">all</option>
        {choices(rows, of).map((value) => (
          <option key={value} value={value}>
            {texts[of](value)}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Calibration() {
  const { data, error, dataUpdatedAt } = useCalibration();
  const place = usePlace();
  const rows = data?.rows ?? [];
  const asked = filtersOf(place.search);
  const chosen = new URLSearchParams(place.search).get("row");
  const open = rows.find((row) => row.calibration_id === chosen);
  const failing = rows.filter((row) => row.gate === "fail");
  const shown = columns(place);
  const names = ["model", "symbol", "bucket"] as const;
  return (
    <>
      <h1>Calibration</h1>
      <search className="filters">
        {names.map((name) => (
          <Choices key={name} of={name} rows={rows} asked={asked[name]} />
        ))}
      </search>
      {open && <Detail row={open} readAt={dataUpdatedAt} />}
      <Panel title="Entries held back" readAt={dataUpdatedAt} staleAfterSeconds={60} error={error}>
        <Table
          caption="Entries held back"
          columns={shown}
          rows={failing}
          id={(row) => row.calibration_id}
          empty="No forecast has lost its trust."
        />
      </Panel>
      <Panel title="Every forecast" readAt={dataUpdatedAt} staleAfterSeconds={60}>
        <Table
          caption="Every forecast"
          columns={shown}
          rows={matching(rows, asked)}
          id={(row) => row.calibration_id}
          empty="No forecast has an outcome yet."
        />
      </Panel>
    </>
  );
}
