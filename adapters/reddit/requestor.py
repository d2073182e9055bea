"""praw's way to the network, with retries of writes switched off.

prawcore repeats a POST after dropped connections, read time-outs and 5xx answers, and Reddit has
no idempotency key: each repeat may be a second post. Here such an outcome of a write becomes an
exception that prawcore's retry loop does not know, and so lets through. A write whose deadline
has passed (the library may sleep for its rate limit) is not begun at all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from prawcore import Requestor
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

WRITES = frozenset({"/api/submit/", "/api/comment/", "/api/editusertext/"})
_UNCERTAIN = frozenset({408, 500, 502, 503, 504, 520, 522})


class WriteNotBegun(Exception):
    """The request never left."""


class WriteUncertain(Exception):
    """The request may have been acted on."""


def never_connected(error: BaseException) -> bool:
    """True when no connection came about, so that no byte of the request can have left."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    if not isinstance(error, requests.exceptions.ConnectionError):
        return False
    return isinstance(inner, MaxRetryError) and isinstance(
        inner.reason, (NewConnectionError, ConnectTimeoutError)
    )


@dataclass(slots=True)
class Call:
    """Limits of the newest call and what became of it; one thread uses it at a time.

    `deadline` is on time.monotonic(): a write begins before it or never. `write_began` says
    whether the call reached the network with a write, `last_answer` holds the text of a write's
    answer, in which Reddit may name a post beside an error.
    """

    deadline: float = float("inf")
    request_seconds: float = 15.0
    write_began: bool = False
    last_answer: str = ""

    def begin(self, deadline: float, request_seconds: float) -> None:
        """Forget the call before and set the limits of the next one."""
        self.deadline, self.request_seconds = deadline, request_seconds
        self.write_began, self.last_answer = False, ""


class SingleWriteRequestor(Requestor):
    """Given to praw as requestor_class, with `call` in requestor_kwargs."""

    def __init__(self, *, call: Call, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._call = call

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """One request; prawcore gives method and address first.

        Raises:
            WriteNotBegun, WriteUncertain: for writes alone.
            prawcore.RequestException: for everything else, as prawcore expects.
        """
        method, url = str(args[0]).upper(), urlsplit(str(args[1])).path
        kwargs["timeout"] = self._call.request_seconds
        if method != "POST" or url not in WRITES:
            return super().request(*args, **kwargs)
        if time.monotonic() >= self._call.deadline:
            raise WriteNotBegun("its time was over before it could begin")
        self._call.write_began = True
        try:
            response = self._http.request(*args, **kwargs)
        except requests.exceptions.RequestException as error:
            if never_connected(error):
                raise WriteNotBegun(f"no connection: {type(error).__name__}") from None
            raise WriteUncertain(type(error).__name__) from None
        if response.status_code in _UNCERTAIN:
            raise WriteUncertain(f"answered {response.status_code}")
        self._call.last_answer = response.text
        return response
