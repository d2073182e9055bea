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
  /** What else is to be done on the way, such as closing a dialog. */
  onGo?: (() => void) | undefined;
}

export function Link({ to, children, className, current, isRow, onGo }: Props) {
  const go = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onGo?.();
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
export function EventLink(props: { id: string; children: ReactNode; onGo?: () => void }) {
  const place = usePlace();
  return (
    <Link to={withParameter(place, "event", props.id)} onGo={props.onGo}>
      {props.children}
    </Link>
  );
}
