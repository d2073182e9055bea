"""How far a long run of a tool is: one line on stderr, silent when stderr is no terminal."""

from __future__ import annotations

import sys

WIDTH = 25


class Progress:
    """A bar of percent; `at` may be called as often as one likes."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = -1

    def at(self, done: int, total: int) -> None:
        percent = min(100, 100 * done // max(total, 1))
        if percent != self._shown and sys.stderr.isatty():
            self._shown = percent
            bar = "#" * (percent * WIDTH // 100)
            text = f"\r{self._what} [{bar:<{WIDTH}}] {percent:3d} %"
            print(text, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Go on to the next line when anything was shown."""
        if self._shown >= 0:
            print(file=sys.stderr)
