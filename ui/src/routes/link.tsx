// A real link that does not load the page again.
import type { MouseEvent, ReactNode } from "react";
import { navigate, usePlace, withParameter } from "./location";

interface Props {
  to: string;
  children: ReactNode;
  className?: string;
  current?: boolean;
  /** A row that j and k step through. */
  isRow?: boolean;
}

export function Link({ to, children, className, current, isRow }: Props) {
  const go = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a
      href={to}
      onClick={go}
      className={className}
      aria-current={current ? "page" : undefined}
      data-row={isRow ? "" : undefined}
    >
      {children}
    </a>
  );
}

/** Opens an event in the drawer of the view that is shown. */
export function EventLink({ id, children }: { id: string; children: ReactNode }) {
  const place = usePlace();
  return <Link to={withParameter(place, "event", id)}>{children}</Link>;
}
