"""The product's clocks in virtual time: modules that read the time themselves read the loop's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from types import ModuleType
from unittest.mock import patch

import adapters.interactive_brokers.orders
import run.order_effect
import run.trader
import run.worker
import run.worker_commits

START = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
READERS: tuple[ModuleType, ...] = (
    adapters.interactive_brokers.orders,
    run.order_effect,
    run.trader,
    run.worker,
    run.worker_commits,
)
RARER: tuple[tuple[ModuleType, str, float], ...] = (
    (run.trader, "POLL_SECONDS", 10.0),
    (run.worker, "CHECKPOINT_LAG_SECONDS_MAX", 15.0),
)
"""Beats of the shell that only cost time here."""


def virtual_now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


class VirtualDatetime(datetime):
    """datetime with the run's `now`."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return virtual_now()


class VirtualTime:
    """The module `time` as far as the product reads it."""

    @staticmethod
    def monotonic() -> float:
        return asyncio.get_running_loop().time()

    @staticmethod
    def perf_counter() -> float:
        return time.perf_counter()


@contextmanager
def virtual_clocks() -> Iterator[None]:
    with ExitStack() as stack:
        for module in READERS:
            if hasattr(module, "datetime"):
                stack.enter_context(patch.object(module, "datetime", VirtualDatetime))
            if hasattr(module, "time"):
                stack.enter_context(patch.object(module, "time", VirtualTime))
        for module, name, seconds in RARER:
            stack.enter_context(patch.object(module, name, seconds))
        yield
