"""A process that can die at every await of every task, and what happens to its tasks then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

CLOSES_MAX = 50


class SimProcess:
    """Counts the steps of its tasks; at the one that the seed names it is dead.

    A dead process's tasks are never resumed: no `finally`, no clean-up, as with SIGKILL. What it
    wrote to the network or asked of the database before stays under way.
    """

    def __init__(self, on_death: Callable[[], None]) -> None:
        self.steps = 0
        self.is_dead = False
        self.where = ""
        """The task in which it died."""
        self._dies_at_step = 0
        self._on_death = on_death
        self._coroutines: set[Stepped] = set()

    def start(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine, and whatever it starts, as this process."""
        context = copy_context()
        context.run(_PROCESS.set, self)
        return asyncio.get_running_loop().create_task(coroutine, name=name, context=context)

    def die_after(self, steps: int) -> None:
        """It dies at that step from now."""
        self._dies_at_step = self.steps + steps

    def live_on(self) -> None:
        """No death is planned any more."""
        self._dies_at_step = 0

    def due(self) -> bool:
        """True when the process is dead before the next step of one of its tasks."""
        if not self.is_dead:
            self.steps += 1
            if self.steps == self._dies_at_step:
                self.die()
        return self.is_dead

    def die(self) -> None:
        if self.is_dead:
            return
        self.is_dead = True
        task = asyncio.current_task()
        self.where = task.get_name() if task is not None else "from outside"
        self._on_death()

    def abandon(self) -> None:
        """The run is over: dead, and nobody need know."""
        self.is_dead = True

    def bury(self) -> None:
        """Free what its tasks hold, once the run is over and nothing can come of it."""
        for stepped in self._coroutines:
            stepped.bury()
        self._coroutines.clear()

    def holds(self, stepped: Stepped) -> None:
        self._coroutines.add(stepped)

    def lets_go(self, stepped: Stepped) -> None:
        self._coroutines.discard(stepped)


_PROCESS: ContextVar[SimProcess | None] = ContextVar("process", default=None)


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine of a process; each `send` is a step, and before each the process may die."""

    def __init__(self, inner: Coroutine[Any, Any, Any], process: SimProcess) -> None:
        self._inner = inner
        self._process = process
        process.holds(self)

    def send(self, value: Any) -> Any:
        if self._process.due():
            return self._never()
        try:
            return self._inner.send(value)
        except BaseException:
            self._process.lets_go(self)
            raise

    def throw(self, *given: Any) -> Any:
        if self._process.due():
            return self._never()
        try:
            return self._inner.throw(*given)
        except BaseException:
            self._process.lets_go(self)
            raise

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        return self._inner.__await__()

    def bury(self) -> None:
        for _ in range(CLOSES_MAX):
            try:
                self._inner.close()
            except RuntimeError:  # a clean-up that awaits: on to its next await
                continue
            except Exception:
                return  # what a dead process would have raised is nobody's to hear
            return

    @staticmethod
    def _never() -> asyncio.Future[None]:
        """What the task waits for from now on."""
        future = asyncio.get_running_loop().create_future()
        future._asyncio_future_blocking = True
        return future


def task_factory(
    loop: asyncio.AbstractEventLoop, coroutine: Any, context: Any = None
) -> asyncio.Task[Any]:
    """Wraps each task of a process; those of the world run as they are."""
    process = (context.get(_PROCESS) if context is not None else None) or _PROCESS.get()
    if process is not None:
        coroutine = Stepped(coroutine, process)
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, context=context)
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # a dead process leaves many
    return task
