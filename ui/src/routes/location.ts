// The address is the view: path and search of the page, as an external store.
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

export function navigate(url: string, options: { replace?: boolean } = {}): void {
  if (options.replace) window.history.replaceState(null, "", url);
  else window.history.pushState(null, "", url);
  for (const listener of listeners) listener();
}

export interface Place {
  path: string;
  search: string;
}

export function usePlace(): Place {
  const href = useSyncExternalStore(
    subscribe,
    () => window.location.pathname + window.location.search,
  );
  const [path = "/", search = ""] = href.split("?");
  return { path, search };
}

/** The same view with one value of the search set, or taken away when empty. */
export function withParameter(place: Place, name: string, value: string): string {
  const search = new URLSearchParams(place.search);
  if (value) search.set(name, value);
  else search.delete(name);
  const text = search.toString();
  return text ? `${place.path}?${text}` : place.path;
}
