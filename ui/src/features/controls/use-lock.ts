// Whether the page is too old to act on. Nothing but the halt works on a picture that is not
// current.
import { useLive } from "../../api/live";
import { useNow } from "../../components/ui/now";

const STALE_MS = 10_000;

export function useLock(): boolean {
  const { connection, lastFrameAt } = useLive();
  const now = useNow();
  return connection !== "live" || now - lastFrameAt > STALE_MS;
}
