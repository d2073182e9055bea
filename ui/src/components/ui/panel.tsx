// A titled part of a page that says how old it is, and looks stale when it is.
import type { ReactNode } from "react";
import { useNow } from "./now";

interface Props {
  title: string;
  /** When the data was read, as a time of this browser; 0 when never. */
  readAt?: number;
  /** Older than this the panel greys. */
  staleAfterSeconds?: number;
  error?: Error | null;
  children: ReactNode;
}

export function Panel(props: Props) {
  const { title, readAt, staleAfterSeconds = 15, error, children } = props;
  const now = useNow();
  const age = readAt ? Math.max(0, Math.floor((now - readAt) / 1_000)) : null;
  const isStale = readAt !== undefined && (age === null || age > staleAfterSeconds);
  const classes = ["panel", isStale ? "stale" : ""].filter(Boolean).join(" ");
  return (
    <section className={classes} aria-label={title}>
      <header className="panel-head">
        <h2>{title}</h2>
        {readAt !== undefined && (
          <span className="age">
            {age === null ? "not read yet" : isStale ? `stale: ${age} s old` : `${age} s`}
          </span>
        )}
      </header>
      {error && (
        <p role="alert" className="tone-bad">
          {error.message}
        </p>
      )}
      {children}
    </section>
  );
}
