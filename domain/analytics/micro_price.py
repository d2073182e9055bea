"""The micro-price: the mid, moved by what the book's state foretells [STO18].

A state is the decile of the bid's share of the size at the best prices, and whether the spread is
one tick or more. A session counts its transitions; after the close those of the last five give
each state its adjustment, which stands for the whole next session. Called by the stage.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.numbers import significant

DECILES = 10
STATES = 2 * DECILES
MOVES = 5
"""Changes of the mid by -1, -0.5, 0, 0.5 and 1 tick; larger ones count as one tick."""
STILL = 2
HALF_TICK_USD = 0.005
CENTS = 100
"""A mid counts half ticks: the sum of bid and ask in cents."""
WIDE_USD = 0.015
"""Between a spread of one tick and one of two."""
CELLS = STATES * MOVES * STATES
SESSIONS_MAX = 5
MID_CHANGES_MIN = 2_000
VISITS_MIN = 30
TERM_MIN = 1e-10
TERMS_MAX = 100
PIVOT_MIN = 1e-12

Matrix = list[list[float]]


def state_of(bid: float, ask: float, bid_size: float, ask_size: float) -> int:
    """Decile of the bid's share, plus ten at a spread of two ticks or more. Needs some size."""
    decile = min(DECILES - 1, int(10 * bid_size / (bid_size + ask_size)))
    return decile + (DECILES if ask - bid > WIDE_USD else 0)


def mirrored(state: int) -> int:
    """The same book with its sides exchanged."""
    return state - state % DECILES + DECILES - 1 - state % DECILES


@dataclass(slots=True)
class Transitions:
    """Of one session: how often a state led to another, by the change of the mid.

    Only changes of state or mid count. What stays as it is would scale a state's row alike in all
    three matrices, and leaves the adjustments as they are.
    """

    counts: array[int] = field(default_factory=lambda: array("I", [0]) * CELLS)
    state: int = -1
    """Of the last quote; -1 when the next one contributes nothing."""
    mid: int = 0
    """Half ticks."""

    def reset(self) -> None:
        """After a reconnect, a halt, or a quote that is locked, crossed or one-sided."""
        self.state = -1

    def add(self, bid: float, ask: float, bid_size: float, ask_size: float) -> None:
        """One normal quote with some size."""
        # As state_of does: thousands of quotes a second may come here.
        state = int(10 * bid_size / (bid_size + ask_size))
        if state == DECILES:
            state = DECILES - 1
        if ask - bid > WIDE_USD:
            state += DECILES
        mid = int((bid + ask) * CENTS + 0.5)
        before, moved = self.state, mid - self.mid
        if moved == 0 and before == state:
            return
        self.state, self.mid = state, mid
        if before >= 0:
            move = STILL + (moved if -STILL <= moved <= STILL else STILL if moved > 0 else -STILL)
            self.counts[(before * MOVES + move) * STATES + state] += 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """`adjustments` in dollars by state, empty before there is enough to go by."""

    sessions: int
    mid_changes: int
    visits_min: int
    """Of the state that was left least often, its mirror image counted in."""
    adjustments: tuple[float, ...]


def estimate(sessions: Sequence[array[int]]) -> Estimate:
    """Adjustments from the transitions of these sessions, symmetrised by mirroring."""
    total = [sum(cells) for cells in zip(*sessions, strict=True)]
    both = [0] * len(total)
    mid_changes = 0
    for index, count in enumerate(total):
        if count:
            rest, after = divmod(index, STATES)
            before, move = divmod(rest, MOVES)
            mid_changes += 0 if move == STILL else count
            image = (mirrored(before) * MOVES + MOVES - 1 - move) * STATES + mirrored(after)
            both[index] += count
            both[image] += count
    width = MOVES * STATES
    visits = [sum(both[s * width : (s + 1) * width]) for s in range(STATES)]
    found: tuple[float, ...] = ()
    if mid_changes >= MID_CHANGES_MIN and min(visits) >= VISITS_MIN:
        found = _adjustments(both, visits)
    return Estimate(len(sessions), mid_changes, min(visits), found)


def _adjustments(counts: Sequence[int], visits: Sequence[int]) -> tuple[float, ...]:
    """G1 = (I - Q)^-1 R1 K, B = (I - Q)^-1 R2, and the sum of B^k G1."""
    rows: Matrix = []
    for state, visited in enumerate(visits):
        stay, moves = [0.0] * STATES, [0.0] * STATES
        expected = 0.0
        for move in range(MOVES):
            first = (state * MOVES + move) * STATES
            for after, count in enumerate(counts[first : first + STATES]):
                share = count / visited
                if move == STILL:
                    stay[after] += share
                else:
                    moves[after] += share
                    expected += share * (move - STILL) * HALF_TICK_USD
        left = [(1.0 if state == after else 0.0) - stay[after] for after in range(STATES)]
        rows.append([*left, expected, *moves])
    solved = _eliminated(rows)
    if solved is None:
        return ()
    term = [row[0] for row in solved]
    adjustments = list(term)
    for _ in range(TERMS_MAX - 1):
        if max(map(abs, term)) < TERM_MIN:
            break
        term = [sum(b * t for b, t in zip(row[1:], term, strict=True)) for row in solved]
        adjustments = [sum_ + t for sum_, t in zip(adjustments, term, strict=True)]
    return tuple((significant(value) or 0.0) + 0.0 for value in adjustments)


def _eliminated(rows: Matrix) -> Matrix | None:
    """Solves the square system on the left for every column on the right, in a fixed order.

    None when some states never lead to a change of the mid: nothing can be said of them.
    """
    size = len(rows)
    for k in range(size):
        pivot = max(range(k, size), key=lambda i: abs(rows[i][k]))
        if abs(rows[pivot][k]) < PIVOT_MIN:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        scale = rows[k][k]
        top = rows[k] = [value / scale for value in rows[k]]
        for i, row in enumerate(rows):
            factor = row[k]
            if i != k and factor:
                rows[i] = [value - factor * above for value, above in zip(row, top, strict=True)]
    return [row[size:] for row in rows]


@dataclass(slots=True)
class MicroPrice:
    """Of one symbol: what its sessions counted, and the adjustments of this one."""

    today: Transitions = field(default_factory=Transitions)
    sessions: deque[array[int]] = field(default_factory=lambda: deque(maxlen=SESSIONS_MAX))
    adjustments: tuple[float, ...] = ()
    """In force; empty while the weighted mid stands in."""
    next: tuple[float, ...] = ()

    def close(self) -> Estimate:
        """After the close: the session joins the last ones, and the next one's are estimated."""
        self.sessions.append(self.today.counts)
        self.today = Transitions()
        found = estimate(self.sessions)
        self.next = found.adjustments
        return found

    def begin_session(self) -> None:
        self.today = Transitions()
        self.adjustments = self.next

    def of(self, bid: float, ask: float, bid_size: float, ask_size: float) -> float | None:
        """Dollars; None before there is an estimate."""
        if not self.adjustments:
            return None
        return (bid + ask) / 2 + self.adjustments[state_of(bid, ask, bid_size, ask_size)]
