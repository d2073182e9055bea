// Who is logged in, for every part of the page; and the choice of time zone that goes with a reader.
import { createContext, useContext, useState, type ReactNode } from "react";
import type { SessionInfo } from "../../api/types";
import { TIME_MODES, type TimeMode } from "../../models/format/times";

interface Desk {
  session: SessionInfo;
  timeMode: TimeMode;
  nextTimeMode: () => void;
}

const DeskContext = createContext<Desk | null>(null);
const KEPT = "striketape.time-mode";

function keptMode(): TimeMode {
  const kept = window.localStorage.getItem(KEPT);
  return TIME_MODES.find((mode) => mode === kept) ?? "exchange";
}

export function DeskProvider(props: { session: SessionInfo; children: ReactNode }) {
  const [timeMode, setTimeMode] = useState(keptMode);
  const nextTimeMode = () => {
    const next = TIME_MODES[(TIME_MODES.indexOf(timeMode) + 1) % TIME_MODES.length] ?? "exchange";
    window.localStorage.setItem(KEPT, next);
    setTimeMode(next);
  };
  const desk = { session: props.session, timeMode, nextTimeMode };
  return <DeskContext.Provider value={desk}>{props.children}</DeskContext.Provider>;
}

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (!desk) throw new Error("the page must be inside DeskProvider, was not");
  return desk;
}
