// Tests of components each begin with an empty page. Tests of models have none.
import { afterEach } from "vitest";

afterEach(async () => {
  if (typeof document === "undefined") return;
  const { cleanup } = await import("@testing-library/react");
  cleanup();
  window.history.replaceState(null, "", "/");
});
