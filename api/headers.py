"""Around every answer: a request id, security headers, and the check of the host's name.

The outermost layer of the app, as plain ASGI so that the live stream passes through unbuffered.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, answer
from api.settings import ApiSettings

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Headed:
    """Adds what every answer carries."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._settings.random_bytes(8).hex()
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers["X-Request-Id"] = request_id
                headers.setdefault("Cache-Control", "no-store")
                if self._settings.https:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        host = Headers(scope=scope).get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in self._settings.allowed_hosts:
            wrong = ApiError(
                421,
                "wrong_host",
                f"Host must be one of {', '.join(sorted(self._settings.allowed_hosts))}, "
                f"was {name[:80] or 'missing'}",
                "use the address that the desk printed at its start",
            )
            await answer(wrong, request_id)(scope, receive, send_headed)
            return
        await self._app(scope, receive, send_headed)
