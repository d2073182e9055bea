"""The book from depth ticks: levels shift, and a wrong copy is found."""

from __future__ import annotations

from random import Random

import pytest

from domain.analytics.depth_book import ASK, BID, DELETE, INSERT, UPDATE, DepthBook, DepthTick


def insert(position: int, side: int, price: float, size: float = 100.0) -> DepthTick:
    return (position, "ARCA", INSERT, side, price, size)


def book(*ticks: DepthTick) -> DepthBook:
    made = DepthBook()
    made.apply(ticks, 0.0)
    return made


def prices(made: DepthBook) -> tuple[list[float], list[float]]:
    return [level.price for level in made.bids], [level.price for level in made.asks]


def full() -> DepthBook:
    return book(
        insert(0, BID, 10.0), insert(1, BID, 9.9), insert(0, ASK, 10.1), insert(1, ASK, 10.2)
    )


def test_an_insert_shifts_down_and_a_delete_shifts_up() -> None:
    """The library's own lists end out of order here: [9.9, 9.8, 10.05]."""
    made = book(insert(0, BID, 10.0), insert(1, BID, 9.9), insert(2, BID, 9.8))
    made.apply([insert(0, BID, 10.05), (1, "", DELETE, BID, 0.0, 0.0)], 1.0)
    assert prices(made) == ([10.05, 9.9, 9.8], [])
    made.apply([(2, "IEX", UPDATE, BID, 9.85, 7.0)], 2.0)
    assert (made.bids[2].price, made.bids[2].size, made.bids[2].maker) == (9.85, 7.0, "IEX")
    assert made.damage == ""


def test_random_inserts_and_deletes_follow_the_true_book() -> None:
    """A true book of prices, told as TWS would with shifts, comes out the same."""
    random, made, truth = Random(5), DepthBook(), []
    for step in range(2_000):
        price = round(10 - random.randrange(1, 200) / 100, 2)
        if truth and (len(truth) >= 10 or random.random() < 0.4):
            position = random.randrange(len(truth))
            del truth[position]
            tick: DepthTick = (position, "", DELETE, BID, 0.0, 0.0)
        else:
            position = sum(1 for one in truth if one >= price)
            truth.insert(position, price)
            tick = insert(position, BID, price)
        made.apply([tick], float(step))
        assert prices(made)[0] == truth and made.damage == ""


@pytest.mark.parametrize(
    ("tick", "damage"),
    [
        (insert(5, BID, 9.0), "insert at 5 of 2 levels"),
        ((2, "", UPDATE, ASK, 9.0, 1.0), "update at 2 of 2 levels"),
        ((7, "", DELETE, BID, 0.0, 0.0), "delete at 7 of 2 levels"),
    ],
)
def test_a_change_of_a_level_that_is_not_there_damages_the_book(
    tick: DepthTick, damage: str
) -> None:
    made = full()
    made.apply([tick], 1.0)
    assert made.damage == damage
    assert made.top(5) == ([], [])


@pytest.mark.parametrize(
    ("tick", "doubt"),
    [
        ((0, "", UPDATE, BID, 10.15, 1.0), "crossed"),
        ((1, "", UPDATE, BID, 10.05, 1.0), "bids out of order"),
        ((0, "", UPDATE, ASK, 0.0, 1.0), "asks without a price"),
    ],
)
def test_a_book_that_looks_wrong_is_not_shown_and_damaged_when_it_stays_so(
    tick: DepthTick, doubt: str
) -> None:
    made = full()
    made.apply([tick], 1.0)
    assert (made.doubt, made.damage, made.top(5)) == (doubt, "", ([], []))
    made.apply([], 6.0)
    assert made.damage == ""
    made.apply([], 6.5)
    assert made.damage == f"{doubt} for 5.5 s"


def test_a_moment_of_doubt_passes() -> None:
    made = full()
    made.apply([(0, "", UPDATE, BID, 10.15, 1.0)], 1.0)
    made.apply([(0, "", UPDATE, ASK, 10.2, 1.0)], 2.0)
    made.apply([], 9.0)
    assert made.damage == "" and made.top(1)[0][0].price == 10.15


def test_deletes_of_all_levels_make_a_damaged_book_right_again() -> None:
    """So the feed tells readers of the log of a book that TWS has reset."""
    made = full()
    made.apply([insert(9, BID, 1.0)], 1.0)
    assert made.damage
    made.apply([(0, "", DELETE, side, 0.0, 0.0) for side in (BID, BID, ASK, ASK)], 2.0)
    assert (made.damage, prices(made)) == ("", ([], []))


def test_the_best_price_counts_the_sizes_of_all_makers_at_it() -> None:
    made = book(insert(0, BID, 10.0, 100), insert(1, BID, 10.0, 300), insert(2, BID, 9.9, 50))
    best, none = made.at_best()
    assert best is not None and (best.price, best.size) == (10.0, 400.0) and none is None


def test_a_book_never_keeps_more_than_twice_its_rows() -> None:
    made = DepthBook()
    for number in range(100):
        made.apply([insert(0, BID, 1.0 + number / 100)], float(number))
    assert len(made.bids) == 20 and made.damage == ""
