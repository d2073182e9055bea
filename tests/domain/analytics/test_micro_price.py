"""The micro-price: transitions of the book, adjustments worked by hand, one session's use."""

from __future__ import annotations

from array import array
from datetime import timedelta
from itertools import product
from random import Random

import numpy as np
import pytest

from domain.analytics.micro_price import (
    CELLS,
    MOVES,
    STATES,
    STILL,
    MicroPrice,
    Transitions,
    estimate,
    mirrored,
    state_of,
)
from domain.events.analytics import Quality
from domain.events.micro_price import MicroPriceEstimated
from domain.events.system import ClockTicked
from tests.domain.analytics.build import OPEN, Tape, bar, parameters, plan, ticks
from tests.domain.analytics.stage_runs import metric, reports, run

ENOUGH = 4_000


def counted(cells: dict[tuple[int, int, int], int]) -> array[int]:
    """Transitions by (state, half ticks of the mid, next state)."""
    found = array("I", [0]) * CELLS
    for (before, moved, after), count in cells.items():
        found[(before * MOVES + STILL + moved) * STATES + after] += count
    return found


def test_state_is_the_decile_of_the_bids_share_and_the_spread() -> None:
    assert state_of(660.00, 660.01, 100, 900) == 1
    assert state_of(660.00, 660.01, 0, 900) == 0
    assert state_of(660.00, 660.01, 900, 0) == 9
    assert state_of(660.00, 660.02, 500, 500) == 15
    assert state_of(660.00, 660.09, 290, 710) == 12


def test_the_mirror_image_of_a_state_has_its_sides_exchanged() -> None:
    assert [mirrored(state) for state in (0, 4, 9, 10, 17)] == [9, 5, 0, 19, 12]
    assert all(mirrored(mirrored(state)) == state for state in range(STATES))


def test_only_changes_of_state_or_mid_count_and_large_moves_are_one_tick() -> None:
    made = Transitions()
    made.add(660.00, 660.01, 100, 900)
    made.add(660.00, 660.01, 110, 890)  # the same decile, the same mid
    made.add(660.00, 660.01, 500, 500)
    made.add(660.05, 660.06, 500, 500)
    made.reset()
    made.add(660.00, 660.02, 500, 500)
    made.add(660.00, 660.01, 500, 500)
    expected = counted({(1, 0, 5): 1, (5, 2, 5): 1, (15, -1, 5): 1})
    assert made.counts == expected


def up_or_down(share_up: dict[int, int]) -> array[int]:
    """From each state the mid moves a tick: up in so many of 100 cases, then to state 4 or 5."""
    cells: dict[tuple[int, int, int], int] = {}
    for state in range(STATES):
        up = share_up.get(state, 100 - share_up.get(mirrored(state), 50))
        for moved, count in ((2, up), (-2, 100 - up)):
            for after in (4, 5):
                cells[state, moved, after] = count * 2
    return counted(cells)


def test_a_state_that_leads_up_in_three_cases_of_four_is_worth_half_a_tick() -> None:
    """From 4 and 5 the next move is even, so that the first move is all there is: (0.75 - 0.25)
    ticks in state 9, its negative in the mirror image, nothing in the others."""
    found = estimate([up_or_down({9: 75, 17: 100})])
    assert found.mid_changes == STATES * 100 * 4
    assert found.adjustments[9] == pytest.approx(0.005)
    assert found.adjustments[0] == pytest.approx(-0.005)
    assert found.adjustments[17] == pytest.approx(0.01)
    assert found.adjustments[12] == pytest.approx(-0.01)
    assert found.adjustments[5] == pytest.approx(0.0, abs=1e-15)


def test_a_state_before_another_is_worth_what_that_one_leads_to() -> None:
    """State 8 goes to 9 without a move in half of the cases, and a tick up in the others: it is
    worth 0.5 x 0.01 + 0.5 x 0.005."""
    table = up_or_down({9: 75})
    for image, sign, after in ((8, 2, 9), (1, -2, 0)):
        first = image * MOVES * STATES
        table[first : first + MOVES * STATES] = counted(
            {(image, 0, after): 200, (image, sign, 4): 100, (image, sign, 5): 100}
        )[first : first + MOVES * STATES]
    found = estimate([table])
    assert found.adjustments[8] == pytest.approx(0.0075)
    assert found.adjustments[1] == pytest.approx(-0.0075)


def test_adjustments_are_the_sum_of_the_paper_and_antisymmetric() -> None:
    """Against matrices of numpy, on made-up counts."""
    random = Random(11)
    table = array("I", [random.randrange(1, 40) for _ in range(CELLS)])
    found = estimate([table, table])
    cube = np.array(table, dtype=float).reshape(STATES, MOVES, STATES)
    image = [mirrored(state) for state in range(STATES)]
    cube = cube + cube[image][:, ::-1][:, :, image]
    cube /= cube.sum(axis=(1, 2), keepdims=True)
    still, moving = cube[:, STILL, :], np.delete(cube, STILL, axis=1)
    inverse = np.linalg.inv(np.eye(STATES) - still)
    term = inverse @ (moving.sum(axis=2) @ np.array([-0.01, -0.005, 0.005, 0.01]))
    leads = inverse @ moving.sum(axis=1)
    total = np.zeros(STATES)
    for _ in range(100):
        total += term
        term = leads @ term
    assert np.allclose(found.adjustments, total, atol=1e-10)
    for state in range(STATES):
        assert found.adjustments[state] == pytest.approx(-found.adjustments[image[state]])


def test_before_two_thousand_changes_or_thirty_visits_there_is_no_estimate() -> None:
    few = counted({(s, m, 4): 24 for s, m in product(range(STATES), (-2, 2))})
    assert estimate([few]).mid_changes == 960
    assert estimate([few]).adjustments == ()
    assert estimate([few] * 3).adjustments != ()
    unseen = counted(
        {(s, m, 4): 200 for s, m in product(range(STATES), (-2, 2)) if s not in (10, 19)}
        | {(10, 2, 4): 29}
    )
    found = estimate([unseen])
    assert (found.visits_min, found.adjustments) == (29, ())


def test_states_that_never_move_the_mid_have_no_estimate() -> None:
    cells = {(s, m, 4): 200 for s, m in product(range(1, STATES), (-2, 2)) if s not in (9, 10, 19)}
    cells |= {(0, 0, 9): 50, (9, 0, 0): 50, (10, 0, 19): 50, (19, 0, 10): 50}
    assert estimate([counted(cells)]).adjustments == ()


def test_five_sessions_are_kept_and_an_estimate_stands_for_the_next_session() -> None:
    micro = MicroPrice()
    for _ in range(7):
        micro.today.counts = up_or_down({9: 75})
        micro.close()
    assert len(micro.sessions) == 5
    assert micro.of(660.00, 660.01, 950, 50) is None, "not before the next session"
    micro.begin_session()
    assert micro.of(660.00, 660.01, 950, 50) == pytest.approx(660.01)
    assert micro.of(660.00, 660.01, 50, 950) == pytest.approx(660.00)


def test_a_session_teaches_the_next_one_its_micro_price() -> None:
    """Quotes through the stage: until the close the weighted mid stands in, and says so; then the
    estimate is told once a symbol; the next day's price is the mid and its adjustment."""
    tape, random = Tape(), Random(3)
    tape.add(parameters(), OPEN)
    tape.add(plan(), OPEN)
    cents, at = 66_000, OPEN
    for k in range(ENOUGH):
        at = OPEN + timedelta(seconds=2 + k * 0.25)
        bid_size = random.randrange(10, 990)
        # The heavier side wins: from there the mid goes its way in the next quote.
        quote = [(1, cents / 100, bid_size), (2, (cents + 1 + k % 3 // 2) / 100, 1_000 - bid_size)]
        tape.add(ticks("SPY", at, quote), at)
        cents += (1 if bid_size > 500 else -1) if random.random() < 0.8 else 0
    begin = OPEN + timedelta(seconds=995)
    tape.add(bar("SPY", begin, cents / 100), begin + timedelta(seconds=7))
    over = plan().day.close_at + timedelta(minutes=1)
    for k in range(2):
        tape.add(ClockTicked(worker="signals"), over + timedelta(seconds=k))
    later = OPEN + timedelta(days=1)
    tape.add(plan(later.date()), later)
    quote = [(1, 660.00, 900.0), (2, 660.01, 100.0)]
    tape.add(ticks("SPY", later + timedelta(seconds=4), quote), later + timedelta(seconds=4))
    tape.add(bar("SPY", later, 660.0), later + timedelta(seconds=5))
    emitted = run(tape.events)
    (told,) = [e.body for e in emitted if isinstance(e.body, MicroPriceEstimated)]
    assert (told.symbol, told.session_date, told.sessions) == ("SPY", OPEN.date(), 1)
    assert told.adjustments[9] > 0.004 and told.adjustments[0] < -0.004
    first, second = (metric(report, "micro_price") for report in reports(emitted))
    assert (first.quality, first.reason) == (Quality.WARMUP_MODEL, "WEIGHTED_MID")
    assert second.quality is Quality.OK
    assert second.value == pytest.approx(660.005 + told.adjustments[9])


def test_a_quote_is_counted_under_the_state_it_is_priced_by() -> None:
    made, random = Transitions(), Random(5)
    for _ in range(2_000):
        bid = 660.00 + random.randrange(-300, 300) / 100
        quote = (bid, bid + random.randrange(1, 4) / 100, *random.choices(range(1, 20), k=2))
        made.add(*quote)
        assert made.state == state_of(*quote)
        assert made.mid == round((quote[0] + quote[1]) * 100)
