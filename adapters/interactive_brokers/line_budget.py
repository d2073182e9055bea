"""Which lines are open inside the hundred that TWS gives, and which books inside its three.

Pure; used by run/feeds. Lines of the desk's own underlyings are always open and not weighed
here. A line that TWS refused takes no room until the next connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from domain.events.feeds import DepthWanted, WantedLine
from domain.instruments import OptionContract

LINES_MAX = 100
BOOKS_MAX = 3
BASKET_LINES_MAX = 14
_REASONS = {"held": 0, "entry": 1, "legs of a signal": 1, "legs of a roll": 1, "surface": 3}


class Rank(IntEnum):
    """What a line is for, the most important first."""

    HELD = 0
    TRADED = 1
    WATCHED = 2
    SURFACE = 3


def rank_of(line: WantedLine) -> Rank:
    return Rank(_REASONS.get(line.reason, Rank.WATCHED))


@dataclass(frozen=True, slots=True)
class Allotment:
    """What is open and what is beyond the budget, each in order of importance."""

    options: tuple[OptionContract, ...]
    members: tuple[str, ...]
    beyond: tuple[OptionContract, ...]
    members_beyond: tuple[str, ...]


def allot(
    wanted: Mapping[str, Sequence[WantedLine]],
    members: Sequence[str],
    room: int,
    refused: Iterable[int] = (),
    members_refused: Iterable[str] = (),
) -> Allotment:
    """Share `room` lines: options by rank, then as wished; what nobody but the surface wants
    leaves the basket its lines.

    A contract that several want counts for the highest of its ranks.
    """
    out, out_of_basket = frozenset(refused), frozenset(members_refused)
    best: dict[int, tuple[Rank, int, OptionContract]] = {}
    order = 0
    for requester in sorted(wanted):
        for line in wanted[requester]:
            rank, order = rank_of(line), order + 1
            known = best.get(line.contract.con_id)
            if line.contract.con_id not in out and (known is None or rank < known[0]):
                best[line.contract.con_id] = (rank, order, line.contract)
    ranked = sorted(best.values(), key=lambda one: one[:2])
    urgent = sum(1 for rank, _, _ in ranked if rank is not Rank.SURFACE)
    served = [name for name in members if name not in out_of_basket]
    basket = served[: min(max(room - urgent, 0), BASKET_LINES_MAX)]
    options = [contract for _, _, contract in ranked]
    open_options = options[: max(room - len(basket), 0)]
    return Allotment(
        options=tuple(open_options),
        members=tuple(basket),
        beyond=tuple(options[len(open_options) :]),
        members_beyond=tuple(served[len(basket) :]),
    )


def books(wishes: Mapping[str, DepthWanted], default: Sequence[str]) -> tuple[str, ...]:
    """Symbols whose books are open: each requester's first, then each one's second, and so on;
    the desk's own where nobody wishes for others."""
    ranked = [wishes[name].symbols for name in sorted(wishes)]
    longest = max((len(symbols) for symbols in ranked), default=0)
    found: dict[str, None] = {}
    for place in range(longest):
        for symbols in ranked:
            if place < len(symbols):
                found.setdefault(symbols[place])
    for symbol in default:
        found.setdefault(symbol)
    return tuple(found)[:BOOKS_MAX]
