"""Pages without JavaScript: the emergency halt, and what to do when the page is not built.

The halt works when the built page does not: it needs this process and the log, nothing else.
"""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse, Response

from api.dispatch import Call

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/plain.css"></head>
<body><main>{mode}{body}</main></body></html>
"""
STYLE = """
body { background: #10141a; color: #e8edf4; font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 34rem; margin: 10vh auto; padding: 0 1rem; }
label { display: block; margin: 0.75rem 0 0.25rem; }
input { width: 100%; box-sizing: border-box; padding: 0.6rem; font: inherit;
  background: #1a2029; color: inherit; border: 1px solid #5b6675; border-radius: 4px; }
button { margin-top: 1rem; padding: 0.8rem 1.6rem; font: inherit; font-weight: 700; color: #fff;
  background: #c62828; border: 0; border-radius: 4px; min-height: 44px; cursor: pointer; }
:focus-visible { outline: 3px solid #7ab8ff; outline-offset: 2px; }
a { color: #7ab8ff; } code { background: #1a2029; padding: 0.1rem 0.3rem; }
"""


async def style(_: Call) -> Response:
    return Response(STYLE, media_type="text/css")


def _page(title: str, body: str, mode: str = "", status: int = 200) -> Response:
    """With the mode first where it is known: nobody shall halt the wrong desk."""
    shown = f"<p><strong>{escape(mode.upper())}</strong></p>" if mode else ""
    named = f"Striketape {mode.upper()}".strip()
    text = _FRAME.format(title=f"{named}: {title}", mode=shown, body=body)
    return HTMLResponse(text, status)


def not_built() -> Response:
    body = (
        "<h1>The page is not built</h1><p>Build it with <code>make ui</code> "
        "(or <code>python -m run.build_ui</code>), then load this address again.</p>"
        '<p>The API works: <a href="/api/v1/openapi.json">what it offers</a>, '
        '<a href="/halt">emergency halt</a>.</p>'
    )
    return _page("page not built", body, status=503)


async def halt_page(call: Call) -> Response:
    """Log in, then halt: two forms that need no script."""
    mode = call.desk.settings.mode
    if call.session is None:
        body = (
            "<h1>Emergency halt</h1><p>Log in first.</p>"
            '<form method="post" action="/api/v1/login">'
            '<label for="name">Name</label><input id="name" name="name" autocomplete="username">'
            '<label for="password">Password</label><input id="password" name="password" '
            'type="password" autocomplete="current-password"><button>Log in</button></form>'
        )
        return _page("halt", body, mode)
    key = call.desk.settings.random_bytes(16).hex()
    told = ""
    if "requested" in call.request.query_params:
        halted = (await call.desk.tables.fold()).halt["is_halted"]
        told = (
            "<p><strong>Trading is halted.</strong></p>"
            if halted
            else "<p><strong>Halt requested</strong>; the trader has not answered yet. "
            '<a href="/halt?requested=1">Look again</a></p>'
        )
    body = (
        f"<h1>Emergency halt</h1>{told}<p>Stops entries. Exits and protective stops go on.</p>"
        '<form method="post" action="/api/v1/halt">'
        f'<input type="hidden" name="csrf" value="{escape(call.session.csrf)}">'
        f'<input type="hidden" name="key" value="{key}">'
        '<label for="reason">Reason (8 characters or more)</label>'
        '<input id="reason" name="reason" value="halted by the operator">'
        "<button>Halt trading</button></form>"
        "<h2>Flatten</h2><p>Halts, and closes every position.</p>"
        '<form method="post" action="/api/v1/flatten">'
        f'<input type="hidden" name="csrf" value="{escape(call.session.csrf)}">'
        f'<input type="hidden" name="key" value="{key}">'
        '<label for="why">Reason (8 characters or more)</label>'
        '<input id="why" name="reason" value="flattened by the operator">'
        '<label for="confirm">Type FLATTEN</label><input id="confirm" name="confirm" required>'
        '<button>Close everything</button></form><p><a href="/">To the page</a></p>'
    )
    return _page("halt", body, mode)
