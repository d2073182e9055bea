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


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, at most TEXT_MAX characters."""
    for secret in secrets:
        if secret:
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


_FILTER = _HideSecrets()


def hide_in_logs(loggers: Iterable[str], secrets: Iterable[str]) -> None:
    """From now on records of these loggers (by exact name) show [hidden] for the secrets."""
    _FILTER.secrets.update(secret for secret in secrets if secret)
    for name in loggers:
        logging.getLogger(name).addFilter(_FILTER)
