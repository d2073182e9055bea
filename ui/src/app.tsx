// The frame of the page: log in, then header, the view of the address, and the event drawer.
import { useCallback, useEffect, useState } from "react";
import { ApiError, get } from "./api/client";
import { reset, start, useLive } from "./api/live";
import { followLive, queryClient } from "./api/queries";
import type { SessionInfo } from "./api/types";
import { ErrorBoundary } from "./components/ui/error-boundary";
import { AnalyticsPage } from "./features/analytics";
import { Calibration } from "./features/calibration";
import { Controls } from "./features/controls";
import { Explain } from "./features/explain";
import { Header } from "./features/header";
import { Shortcuts } from "./features/header/shortcuts";
import { Limits } from "./features/limits";
import { LivePage } from "./features/live";
import { Login } from "./features/login";
import { DeskProvider } from "./features/login/session";
import { Messages } from "./features/messages";
import { Parameters } from "./features/parameters";
import { Timeline } from "./features/timeline";
import { EventDrawer } from "./features/timeline/event-drawer";
import { Link } from "./routes/link";
import { usePlace } from "./routes/location";

export function App() {
  const [session, setSession] = useState<SessionInfo | "unknown" | null>("unknown");
  const [isOver, setOver] = useState(false);
  const [problem, setProblem] = useState("");
  const ask = useCallback(() => {
    get<SessionInfo>("/session")
      .then(setSession)
      .catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 401) setSession(null);
        else setProblem(String(error));
      });
  }, []);
  useEffect(ask, [ask]);
  if (session === "unknown")
    return (
      <main className="login" aria-busy={!problem}>
        {problem ? (
          <p role="alert">
            {problem} <button onClick={ask}>Try again</button>
          </p>
        ) : (
          <p>Loading…</p>
        )}
      </main>
    );
  if (session === null) return <Login onLogin={setSession} isOver={isOver} />;
  const leave = (byItself: boolean) => {
    reset();
    queryClient.clear();
    setOver(byItself);
    setSession(null);
  };
  return (
    <DeskProvider session={session}>
      <Desk onEnd={() => leave(true)} onLogout={() => leave(false)} />
    </DeskProvider>
  );
}

function Desk({ onEnd, onLogout }: { onEnd: () => void; onLogout: () => void }) {
  const { path, search } = usePlace();
  const { connection } = useLive();
  useEffect(() => {
    start();
    return followLive();
  }, []);
  useEffect(() => {
    if (connection === "ended") onEnd();
  }, [connection, onEnd]);
  const event = new URLSearchParams(search).get("event");
  return (
    <>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <ErrorBoundary name="The header">
        <Header path={path} onLogout={onLogout} />
      </ErrorBoundary>
      <main id="main">
        <ErrorBoundary key={path} name="This view">
          <View path={path} />
        </ErrorBoundary>
      </main>
      {event && (
        <ErrorBoundary key={event} name="The event">
          <EventDrawer id={event} />
        </ErrorBoundary>
      )}
      <Shortcuts />
    </>
  );
}

function View({ path }: { path: string }) {
  if (path === "/") return <LivePage />;
  if (path === "/timeline") return <Timeline />;
  if (path === "/controls") return <Controls />;
  if (path === "/limits") return <Limits />;
  if (path === "/parameters") return <Parameters />;
  if (path === "/analytics") return <AnalyticsPage />;
  if (path === "/calibration") return <Calibration />;
  if (path === "/messages") return <Messages />;
  if (path.startsWith("/explain/")) return <Explain story={path.slice("/explain/".length)} />;
  return (
    <p>
      There is no view here. <Link to="/">Live</Link>
    </p>
  );
}
