"""A look at the task's own cancellation, for loops that never end by themselves.

On Python 3.11 `asyncio.wait_for` loses a cancellation that arrives together with the result it
waits for, and clients use it inside (redis-py for every write). A loop that only relies on the
next await to raise would then run on for ever.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """End the running task when somebody has asked it to end.

    Raises:
        asyncio.CancelledError: the task was cancelled, whoever swallowed it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
