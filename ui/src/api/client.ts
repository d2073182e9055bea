// The one door to the API: same-origin requests with the session cookie, errors as ApiError.
import type { ControlResult, SessionInfo } from "./types";

const PREFIX = "/api/v1";
const IDLE_AFTER_MS = 60_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    detail: string,
    readonly remedy: string,
    readonly requestId: string,
    readonly field?: string,
  ) {
    super(detail);
    this.name = "ApiError";
  }
}

let lastInputAt = Date.now();
for (const kind of ["pointerdown", "keydown"]) {
  globalThis.addEventListener?.(kind, () => (lastInputAt = Date.now()), { passive: true });
}

// Polls of a page that nobody touches must not keep its session alive.
function background(): Record<string, string> {
  return Date.now() - lastInputAt > IDLE_AFTER_MS ? { "X-Background": "1" } : {};
}

async function answered<T>(response: Response): Promise<T> {
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return body as T;
  const told = (body ?? {}) as Record<string, string | undefined>;
  throw new ApiError(
    response.status,
    told["error"] ?? "unreadable",
    told["detail"] ?? `the answer must be JSON, was status ${response.status}`,
    told["remedy"] ?? "try again",
    told["request_id"] ?? response.headers.get("x-request-id") ?? "",
    told["field"],
  );
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(PREFIX + path, {
    headers: background(),
    cache: "no-store",
    ...(signal ? { signal } : {}),
  });
  return answered<T>(response);
}

async function post<T>(path: string, body: object, headers: Record<string, string>): Promise<T> {
  const response = await fetch(PREFIX + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return answered<T>(response);
}

export function login(name: string, password: string): Promise<SessionInfo> {
  return post<SessionInfo>("/login", { name, password }, {});
}

/** Which desk answers here, before anybody has logged in. */
export async function modeOfDesk(): Promise<string> {
  const told = await answered<{ mode: string }>(await fetch("/healthz", { cache: "no-store" }));
  return told.mode;
}

export function logout(): Promise<unknown> {
  return post("/logout", {}, {});
}

/** A key for one press: pressing twice with it is one request. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Press a control. A refusal by the desk is a result, not an error. */
export async function control(
  path: string,
  body: object,
  csrf: string,
  key: string,
): Promise<ControlResult> {
  const response = await fetch(PREFIX + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF": csrf, "Idempotency-Key": key },
    body: JSON.stringify(body),
  });
  if (response.status === 409) {
    const told = (await response.clone().json()) as Partial<ControlResult>;
    if (told.state === "refused") return told as ControlResult;
  }
  return answered<ControlResult>(response);
}
