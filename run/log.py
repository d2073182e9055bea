"""Structured logs: one JSON object a line on stdout, secrets taken out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from run import metrics

_SECRETS = re.compile(
    r"(/bot)\d+:[\w-]+|((?:token|password|secret|api_key|signature)=)[^&\s]+|(Bearer|Bot)\s+\S+",
    re.IGNORECASE,
)
_MUTE = ("discord.client",)
"""Warns at every start that it cannot speak: a warning here is to mean something."""
_QUIET = ("httpx", "httpx2", "httpcore", "discord", "telegram", "ib_async", "asyncio", "tweepy")


def redact(text: str) -> str:
    """A text without tokens: bot tokens in paths, secrets in queries, authorization headers."""
    return _SECRETS.sub(lambda m: f"{m.group(1) or m.group(2) or m.group(3)}***", text)


def _redacted(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: redact(v) if isinstance(v, str) else v for key, v in entry.items()}


def _counted(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    metrics.LOG_LINES.labels(entry["level"]).inc()
    return entry


def _json(entry: object, **_: object) -> str:
    return orjson.dumps(entry, default=str).decode()


def configure(process: str, build: str, mode: str) -> structlog.stdlib.BoundLogger:
    """Send this process's logs, and those of its libraries, to stdout as JSON lines, each with the
    mode: nobody shall have to guess whether money was at stake."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redacted,
        _counted,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        # httpx logs whole URLs at INFO, and Telegram's carry the bot token.
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _MUTE:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.contextvars.bind_contextvars(process=process, build=build, mode=mode)
    log: structlog.stdlib.BoundLogger = structlog.get_logger(f"striketape.{process}")
    return log
