"""The built page: hashed assets may be kept for a year, everything else is asked for again.

Files are read when they are asked for, so that a new build needs no restart. Unknown addresses
without a dot are views of the page.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api.errors import answer, not_found
from api.plain_pages import not_built

_ASSETS = "assets/"
_NOT_OF_THE_PAGE = ("api/", "metrics", "healthz")
_FOREVER = "public, max-age=31536000, immutable"
mimetypes.add_type("text/javascript", ".js")


class Page:
    """Serves one folder and nothing outside it."""

    def __init__(self, dist: Path) -> None:
        self._dist = dist.resolve()

    async def serve(self, request: Request) -> Response:
        path: str = request.path_params.get("path", "")
        if path.startswith(_NOT_OF_THE_PAGE):
            missing = not_found("address", f"address must be in the route table, was /{path[:120]}")
            return answer(missing, request.state.request_id)
        index = self._dist / "index.html"
        if not index.is_file():
            return not_built()
        if "." not in path.rpartition("/")[2]:
            return FileResponse(index, headers={"Cache-Control": "no-cache"})
        file = (self._dist / path).resolve()
        if not file.is_relative_to(self._dist) or not file.is_file():
            missing = not_found("address", f"file must be part of the page, was {path[:120]!r}")
            return answer(missing, request.state.request_id)
        kept = _FOREVER if path.startswith(_ASSETS) else "no-cache"
        return FileResponse(file, headers={"Cache-Control": kept})
