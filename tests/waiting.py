"""Waiting in tests: until something holds, never for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

Until = Callable[[Callable[[], object]], Awaitable[None]]
SECONDS_MAX = 30.0
POLL_SECONDS = 0.005


async def until(holds: Callable[[], object], seconds_max: float = SECONDS_MAX) -> None:
    """Poll a condition, plain or awaited.

    Raises:
        AssertionError: it did not hold in time.
    """
    try:
        async with asyncio.timeout(seconds_max):
            while not await _held(holds()):
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        message = f"the condition must hold within {seconds_max:g} s, was false"
        raise AssertionError(message) from error


async def _held(answer: object) -> object:
    return await answer if inspect.isawaitable(answer) else answer
