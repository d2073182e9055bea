"""Who gets the lines and books that TWS has."""

from __future__ import annotations

from adapters.interactive_brokers.line_budget import allot, books
from domain.events.feeds import DepthWanted, WantedLine
from domain.instruments import Right
from tests.adapters.interactive_brokers.intents import listed_option

MEMBERS = tuple(f"M{number:02}" for number in range(20))


def wishes(reason: str, *con_ids: int) -> tuple[WantedLine, ...]:
    return tuple(
        WantedLine(contract=listed_option(con_id, 600, Right.CALL), reason=reason)
        for con_id in con_ids
    )


def test_held_comes_before_traded_before_watched_before_surface() -> None:
    wanted = {
        "analytics": wishes("surface", 1, 2, 7),
        "page": wishes("an operator looks at it", 3),
        "signals": wishes("legs of a signal", 4),
        "trader": wishes("entry", 5) + wishes("held", 6, 7),
    }
    share = allot(wanted, (), 5)
    assert [c.con_id for c in share.options] == [6, 7, 4, 5, 3]
    assert [c.con_id for c in share.beyond] == [1, 2]


def test_a_line_that_closes_goes_to_the_next_in_order() -> None:
    wanted = {"analytics": wishes("surface", 1, 2, 3)}
    assert [c.con_id for c in allot(wanted, (), 2).options] == [1, 2]
    assert [c.con_id for c in allot(wanted, (), 2, refused={1}).options] == [2, 3]


def test_the_basket_yields_to_what_is_traded_and_not_to_the_surface() -> None:
    surface = {"analytics": wishes("surface", *range(1, 101))}
    share = allot(surface, MEMBERS, 94)
    assert (len(share.options), len(share.members), len(share.members_beyond)) == (80, 14, 6)
    traded = {**surface, "trader": wishes("held", *range(200, 290))}
    share = allot(traded, MEMBERS, 94, members_refused={"M00"})
    assert share.members == ("M01", "M02", "M03", "M04")
    assert {c.con_id for c in share.options} == set(range(200, 290))
    assert allot(traded, MEMBERS, 0).options == ()


def test_three_books_are_shared_in_turn_and_the_rest_are_the_desks_own() -> None:
    own = ("SPY", "QQQ", "IWM")
    assert books({}, own) == own
    one = {"a": DepthWanted(requester="a", symbols=("NVDA",))}
    assert books(one, own) == ("NVDA", "SPY", "QQQ")
    two = {
        "a": DepthWanted(requester="a", symbols=("NVDA", "AAPL", "META")),
        "b": DepthWanted(requester="b", symbols=("SPY", "AAPL")),
    }
    assert books(two, own) == ("NVDA", "SPY", "AAPL")
