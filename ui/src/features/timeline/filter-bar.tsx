// What the timeline shows. Every choice is in the address, so that a link shows the same rows.
import { useEffect, useRef, useState, type FormEvent } from "react";
import { useLive } from "../../api/live";
import { momentFromText, momentText } from "../../models/format/times";
import {
  boxFromFilters,
  filtersFromBox,
  hidesHousekeeping,
  NO_FILTERS,
  type TimelineFilters,
} from "../../models/timeline/filters";
import { PRESETS } from "../../models/timeline/presets";
import { useDesk } from "../login/session";

interface Props {
  filters: TimelineFilters;
  onChange: (filters: TimelineFilters) => void;
  /** The cursor starts in the search box. */
  isFocused: boolean;
}

const RETENTIONS = [
  ["desk", "Desk"],
  ["market", "Market"],
  ["all", "All"],
] as const;

export function FilterBar({ filters, onChange, isFocused }: Props) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (isFocused) box.current?.focus();
  }, [isFocused]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onChange(filtersFromBox(box.current?.value ?? "", filters));
  };
  const set = (values: Partial<TimelineFilters>) => onChange({ ...filters, ...values });
  return (
    <search className="filters">
      <form onSubmit={submit}>
        <label htmlFor="search" className="hidden">
          Search the log
        </label>
        <input
          key={boxFromFilters(filters)}
          ref={box}
          id="search"
          type="search"
          defaultValue={boxFromFilters(filters)}
          placeholder="Search: type:OrderIntended sym:SPY worker:trader words"
          autoComplete="off"
          spellCheck={false}
        />
        <button type="submit">Search</button>
      </form>
      <fieldset className="choice" aria-label="Kind of events">
        {RETENTIONS.map(([value, name]) => (
          <Choice
            key={value}
            isOn={filters.retention === value}
            name={name}
            onPress={() => set({ retention: value })}
          />
        ))}
      </fieldset>
      <fieldset className="choice" aria-label="Types">
        {PRESETS.map(({ name, types }) => {
          const isOn = filters.type === types.join(",");
          const type = isOn ? "" : types.join(",");
          return <Choice key={name} isOn={isOn} name={name} onPress={() => set({ type })} />;
        })}
      </fieldset>
      <TimeInput name="From" value={filters.from} onChange={(from) => set({ from })} />
      <TimeInput name="To" value={filters.to} onChange={(to) => set({ to })} />
      <label className="check">
        <input
          type="checkbox"
          checked={filters.group === "story"}
          onChange={(event) => set({ group: event.target.checked ? "story" : "" })}
        />
        By story
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={!hidesHousekeeping(filters)}
          disabled={filters.type !== "" || filters.correlation !== ""}
          onChange={(event) => set({ housekeeping: event.target.checked ? "shown" : "" })}
        />
        Housekeeping
      </label>
      {filters.correlation && (
        <button type="button" className="quiet" onClick={() => set({ correlation: "" })}>
          Only one story ✕
        </button>
      )}
      {boxFromFilters(filters) + filters.from + filters.to + filters.correlation !== "" && (
        <button type="button" className="quiet" onClick={() => onChange(NO_FILTERS)}>
          Clear all
        </button>
      )}
    </search>
  );
}

function Choice(props: { isOn: boolean; name: string; onPress: () => void }) {
  return (
    <button type="button" aria-pressed={props.isOn} onClick={props.onPress}>
      {props.name}
    </button>
  );
}

function TimeInput(props: { name: string; value: string; onChange: (moment: string) => void }) {
  const { timeMode } = useDesk();
  const { session, market_time } = useLive().health.desk ?? {};
  const [problem, setProblem] = useState("");
  const shown = props.value ? momentText(props.value, timeMode) : "";
  const read = (text: string) => {
    if (text === shown) return;
    const day = session?.session_date ?? market_time?.slice(0, 10) ?? "";
    const moment = text === "" ? "" : momentFromText(text, timeMode, day);
    const dayToo = day ? "" : "; the market's day is not known yet, so give it too";
    const remedy = `a time is like 10:05 or 2026-10-06 10:05:30${dayToo}`;
    setProblem(moment === null ? remedy : "");
    if (moment !== null) props.onChange(moment);
  };
  return (
    <label className="time-input">
      {props.name}
      <input
        key={shown}
        defaultValue={shown}
        placeholder="10:05"
        autoComplete="off"
        aria-invalid={problem !== ""}
        onBlur={(event) => read(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") read(event.currentTarget.value);
        }}
      />
      {problem && (
        <small role="alert" className="tone-bad">
          {problem}
        </small>
      )}
    </label>
  );
}
