"""Keeps secrets out of logs and error texts of the vendor clients.

Some client libraries write whole addresses, headers or tokens into their log records and
exceptions. An adapter hides its secrets in their loggers when it is made and passes every text
that leaves it through `redacted`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

HIDDEN = "[hidden]"
TEXT_MAX = 500
SECRET_CHARACTERS_MIN = 8
"""Shorter ones are in no real account and would blot out harmless words."""


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, at most TEXT_MAX characters."""
    for secret in secrets:
        if len(secret) >= SECRET_CHARACTERS_MIN:
            text = text.replace(secret, HIDDEN)
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


class _HideSecrets(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if any(secret in text for secret in self.secrets):
            for secret in self.secrets:
                text = text.replace(secret, HIDDEN)
            record.msg, record.args = text, None
        return True


class _NoDetail(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


_FILTER = _HideSecrets()
_NO_DETAIL = _NoDetail()


def hide_in_logs(loggers: Iterable[str], secrets: Iterable[str]) -> None:
    """From now on records of these loggers (by exact name) show [hidden] for the secrets."""
    _FILTER.secrets.update(s for s in secrets if len(s) >= SECRET_CHARACTERS_MIN)
    for name in loggers:
        logging.getLogger(name).addFilter(_FILTER)


def drop_details(loggers: Iterable[str]) -> None:
    """From now on these loggers (by exact name) say only warnings and worse.

    For those that write signatures, which are secrets that nobody could list beforehand.
    """
    for name in loggers:
        logging.getLogger(name).addFilter(_NO_DETAIL)
