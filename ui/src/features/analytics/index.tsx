// What every metric says now, by symbol, with its quality; and the newest forecast of each model.
import type { ForecastRow, MetricRow } from "../../api/analytics-types";
import { useLive } from "../../api/live";
import { useAnalytics } from "../../api/queries";
import { Panel } from "../../components/ui/panel";
import { Table, type Column } from "../../components/ui/table";
import { doubt, isOld, matching, numbersText } from "../../models/analytics/listing";
import { bucketText, modelText } from "../../models/calibration/describe";
import { clockText, momentText, type TimeMode } from "../../models/format/times";
import { navigate, usePlace, withParameter } from "../../routes/location";
import { useDesk } from "../login/session";

const STALE_SECONDS = 15;

function metricColumns(symbols: readonly string[], timeMode: TimeMode): Column<MetricRow>[] {
  const values = symbols.map((symbol): Column<MetricRow> => ({
    title: symbol,
    numeric: true,
    cell: (row) => {
      const value = row.symbols[symbol];
      const wrong = doubt(value);
      const since = value?.as_of ? `as of ${clockText(value.as_of, timeMode, false)}` : "";
      return (
        <span title={since}>
          {value?.value ?? "–"}
          {wrong && <small className={value ? "tone-warning" : "faded"}> {wrong}</small>}
        </span>
      );
    },
  }));
  return [
    {
      title: "Metric",
      cell: (row) => (
        <span title={row.meaning}>
          {row.metric} <small className="faded">{row.unit}</small>
        </span>
      ),
    },
    ...values,
    { title: "Meaning", cell: (row) => <span className="faded">{row.meaning}</span> },
  ];
}

function forecastColumns(timeMode: TimeMode): Column<ForecastRow>[] {
  return [
    { title: "Forecast", cell: (row) => modelText(row.model) },
    { title: "Symbol", cell: (row) => row.symbol },
    { title: "Bucket", cell: (row) => bucketText(row.bucket) },
    { title: "Made", cell: (row) => clockText(row.made_at, timeMode, false) },
    {
      title: "Until",
      cell: (row) => (row.horizon_end ? clockText(row.horizon_end, timeMode, false) : "–"),
    },
    { title: "Says", cell: (row) => numbersText(row) },
  ];
}

export function AnalyticsPage() {
  const { data, error, dataUpdatedAt } = useAnalytics();
  const { timeMode } = useDesk();
  const { desk } = useLive().health;
  const place = usePlace();
  const text = new URLSearchParams(place.search).get("find") ?? "";
  const known = { readAt: dataUpdatedAt, staleAfterSeconds: STALE_SECONDS };
  return (
    <>
      <h1>Analytics</h1>
      <search className="filters">
        <label htmlFor="search">Find</label>
        <input
          id="search"
          type="search"
          value={text}
          onChange={(event) =>
            navigate(withParameter(place, "find", event.target.value), { replace: true })
          }
          placeholder="words of a name, meaning, quality or reason"
          autoComplete="off"
          spellCheck={false}
        />
        {data && (
          <span>
            evaluated{" "}
            {data.symbols.map((symbol) => {
              const at = data.evaluated_at[symbol] ?? null;
              const tone = isOld(at, desk?.market_time) ? "tone-warning" : "faded";
              return (
                <span key={symbol} className={tone}>
                  {symbol} {at ? momentText(at, timeMode) : "never"}{" "}
                </span>
              );
            })}
          </span>
        )}
      </search>
      <Panel title="Metrics" error={error} {...known}>
        <Table
          caption="Metrics"
          columns={metricColumns(data?.symbols ?? [], timeMode)}
          rows={matching(data?.metrics ?? [], text)}
          id={(row) => row.metric}
          empty={data ? "No metric has that." : "Reading…"}
        />
      </Panel>
      <Panel title="Newest forecasts" {...known}>
        <Table
          caption="Newest forecasts"
          columns={forecastColumns(timeMode)}
          rows={data?.forecasts ?? []}
          id={(row) => `${row.symbol}/${row.model}/${row.kind}`}
          empty="No forecast has been made yet."
        />
      </Panel>
    </>
  );
}
