"""Facts of the Unusual Whales document that a look at the service can confirm or refute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import msgspec

from tests.live.facts import Fact, Verdict, confirmed, holds, not_seen, refuted
from tests.live.row_fields import ANSWERS, FRAMES
from tests.live.unusual_whales import INVENTED_CHANNEL, Row, UwMaterial

UwFact = Fact[UwMaterial]
Judge = Callable[[UwMaterial], Verdict]
LIMIT_HEADERS = (
    "x-uw-daily-req-count",
    "x-uw-token-req-limit",
    "x-uw-minute-req-counter",
    "x-uw-req-per-minute-remaining",
    "x-uw-req-per-minute-reset",
)
PRICE_FIELDS = ("last_price", "avg_price", "high_price", "low_price", "implied_volatility")
NAMES_SHOWN_MAX = 8


def _shown(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - NAMES_SHOWN_MAX} more" if len(listed) > NAMES_SHOWN_MAX else ""
    return ", ".join(listed[:NAMES_SHOWN_MAX]) + more


def _has_fields(rows: Sequence[Row], names: frozenset[str]) -> Verdict:
    """Every row has every name; what else there is belongs to the answer."""
    missing = {name for row in rows for name in names - row.keys()}
    added = {name for row in rows for name in row.keys() - names}
    more = f"; besides: {_shown(added)}" if added else ""
    if missing:
        return refuted(f"{len(rows)} rows, missing: {_shown(missing)}{more}")
    return confirmed(f"{len(rows)} rows have the {len(names)} fields{more}")


# -- the socket ------------------------------------------------------------------------------------


def _joins_are_answered(material: UwMaterial) -> Verdict:
    joins = material.heard.joins
    if not joins:
        return not_seen("the socket was not connected")
    refused = [name for name, join in joins.items() if not join.is_accepted]
    if refused:
        return refuted(f"{len(refused)} of {len(joins)} joins refused: {_shown(refused)}")
    return confirmed(f"{len(joins)} joins were answered with ok")


def _an_invented_name_is_accepted(material: UwMaterial) -> Verdict:
    join = material.heard.joins.get(INVENTED_CHANNEL)
    if join is None:
        return not_seen("the socket was not connected")
    return holds(join.is_accepted, f"join of {INVENTED_CHANNEL}: {join.reason or 'ok'}")


def _frames_are_pairs(material: UwMaterial) -> Verdict:
    heard = material.heard
    if not heard.counts:
        return not_seen("no data frame came")
    if heard.rejected:
        reasons = {item.reason[:60] for item in heard.rejected}
        return refuted(f"{len(heard.rejected)} frames of other forms: {_shown(reasons)}")
    return confirmed(f"{sum(heard.counts.values())} data frames named a joined channel")


def _connection_lasts(material: UwMaterial) -> Verdict:
    heard = material.heard
    if not heard.states:
        return not_seen("the socket was not connected")
    ends = [state.reason for state in heard.states if state.state == "down"]
    return holds(not ends, f"{heard.seconds:.0f} s, ended: {ends[0] if ends else 'by us'}")


def _frame_fields(family: str, names: frozenset[str]) -> Judge:
    def judge(material: UwMaterial) -> Verdict:
        rows = material.heard.payloads(family)
        return _has_fields(rows, names) if rows else not_seen("no frame came")

    return judge


def _frames(family: str, is_so: Callable[[Row], bool]) -> Judge:
    """Whether something holds for every frame of a channel."""

    def judge(material: UwMaterial) -> Verdict:
        rows = material.heard.payloads(family)
        if not rows:
            return not_seen("no frame came")
        so = sum(map(is_so, rows))
        return holds(so == len(rows), f"{so} of {len(rows)} frames")

    return judge


def _sides_sum(row: Row) -> bool:
    sides = sum(row[f"{side}_vol"] for side in ("ask", "bid", "mid", "no_side"))
    return bool(sides == row["volume"])


def _are_decimal_texts(*names: str) -> Callable[[Row], bool]:
    return lambda row: all(isinstance(row[name], str) and _decimal(row[name]) for name in names)


def _decimal(text: str) -> bool:
    return text == "" or Decimal(text).is_finite()


def _alert_money_is_numbers(row: Row) -> bool:
    numbers = (row["price"], row["total_premium"], row["underlying_price"])
    return all(isinstance(n, int | float) for n in numbers) and isinstance(row["bid"], str)


def _flows_are_changes(channel: str, prefix: str, total: str) -> Judge:
    """Changes are small beside the total of the day; totals are as large as it."""

    def judge(material: UwMaterial) -> Verdict:
        rows = material.heard.payloads(channel)
        if not rows:
            return not_seen("no frame came")
        if (missing := material.missing(total)) is not None:
            return missing
        values = sorted(abs(Decimal(row[prefix])) for row in rows)
        median = values[len(values) // 2]
        premiums = [Decimal(row["net_call_premium"]) for row in material.rows(total)]
        # Rows of market-tide are running totals.
        day = abs(premiums[-1] if total == "market-tide" else sum(premiums, Decimal(0)))
        seen = f"median of {len(rows)} frames is {median:.0f}, the day's total {day:.0f}"
        if day < 20 * max(median, Decimal(1)):
            near = day > 0 and abs(values[-1] - day) < day / 5 and len(set(values)) > 1
            return refuted(seen) if near else not_seen(seen)
        return confirmed(seen)

    return judge


# -- REST ------------------------------------------------------------------------------------------


def _limit_headers(material: UwMaterial) -> Verdict:
    counted = [a for name, a in material.answers.items() if name != "unknown-token"]
    if not counted:
        return not_seen("nothing was answered")
    bare = [a.endpoint for a in counted if any(h not in a.headers for h in LIMIT_HEADERS)]
    return holds(not bare, f"{len(counted)} answers, without: {_shown(bare) or 'none'}")


def _headers(material: UwMaterial, name: str) -> list[int]:
    found = (material.answers[call].headers.get(name, "") for call in material.order)
    return [int(text) for text in found if text.isdecimal()]


def _cap_is_120(material: UwMaterial) -> Verdict:
    used = _headers(material, "x-uw-minute-req-counter")
    left = _headers(material, "x-uw-req-per-minute-remaining")
    if not used or len(used) != len(left):
        return not_seen("no limit headers")
    caps = {a + b for a, b in zip(used, left, strict=True)}
    return holds(caps == {120}, f"counter and remaining sum to {_shown(map(str, caps))}")


def _window_is_fixed(material: UwMaterial) -> Verdict:
    resets = _headers(material, "x-uw-req-per-minute-reset")
    if len(resets) < 2:
        return not_seen("fewer than two answers had the header")
    rises = sum(later > earlier for earlier, later in pairwise(resets))
    is_so = max(resets) <= 60_000 and rises <= 1 + len(resets) // 20
    return holds(is_so, f"{len(resets)} values, at most {max(resets)} ms, {rises} rises")


def _quota(material: UwMaterial) -> Verdict:
    limits = set(_headers(material, "x-uw-token-req-limit"))
    if not limits:
        return not_seen("no limit headers")
    return holds(min(limits) >= 15_000, f"a day's quota of {_shown(map(str, limits))}")


def _refusal(name: str, status: int, is_so: Callable[[object], bool]) -> Judge:
    def judge(material: UwMaterial) -> Verdict:
        answer = material.answers.get(name)
        if answer is None:
            return not_seen(material.failures.get(name, "not asked"))
        shown = answer.body_bytes[:120].decode(errors="replace")
        if answer.status != status:
            return refuted(f"status {answer.status}, {shown}")
        return holds(is_so(msgspec.json.decode(answer.body_bytes)), f"{status}, {shown}")

    return judge


def _unknown_token(material: UwMaterial) -> Verdict:
    answer = material.answers.get("unknown-token")
    if answer is None:
        return not_seen(material.failures.get("unknown-token", "not asked"))
    counted = [name for name in LIMIT_HEADERS if name in answer.headers]
    is_so = answer.status == 401 and b"authentication_required" in answer.body_bytes
    return holds(is_so and not counted, f"{answer.status}, limit headers: {len(counted)}")


def _rows(name: str, is_so: Callable[[list[Row]], bool]) -> Judge:
    """Whether something holds for the rows of an answer."""

    def judge(material: UwMaterial) -> Verdict:
        if (missing := material.missing(name)) is not None:
            return missing
        rows = material.rows(name)
        return holds(is_so(rows), f"{len(rows)} rows")

    return judge


def _answer_fields(name: str) -> Judge:
    def judge(material: UwMaterial) -> Verdict:
        return material.missing(name) or _has_fields(material.rows(name), ANSWERS[name])

    return judge


def _ordered(field: str, *, falling: bool = False) -> Callable[[list[Row]], bool]:
    def is_so(rows: list[Row]) -> bool:
        values = [_sortable(row[field]) for row in rows]
        return values == sorted(values, reverse=falling)

    return is_so


def _sortable(value: object) -> tuple[Decimal, str]:
    try:
        return Decimal(str(value)), ""
    except ArithmeticError:
        return Decimal(0), str(value)


def _each(is_so: Callable[[Row], bool]) -> Callable[[list[Row]], bool]:
    return lambda rows: all(map(is_so, rows))


def _minutes_without_gaps(rows: list[Row]) -> bool:
    times = [datetime.fromisoformat(row["tape_time"]) for row in rows]
    return all((later - earlier).total_seconds() == 60 for earlier, later in pairwise(times))


def _prices_are_null_without_volume(row: Row) -> bool:
    nulls = {row[name] is None for name in PRICE_FIELDS}
    return nulls == {row["volume"] == 0}


def _signs_of_gamma(row: Row) -> bool:
    sold = (row["put_gamma_oi"], row["call_gamma_ask"], row["put_gamma_ask"])
    bought = (row["call_gamma_bid"], row["put_gamma_bid"])
    return all(Decimal(v) <= 0 for v in sold) and all(Decimal(v) >= 0 for v in bought)


def _premium_is_price_times_size(row: Row) -> bool:
    exact: Decimal = Decimal(row["price"]) * row["size"]
    return abs(Decimal(row["premium"]) - exact) <= max(Decimal(1), exact / 10_000)


def _flow_equals_net_delta(material: UwMaterial) -> Verdict:
    if (missing := material.missing("greek-flow", "net-prem-ticks")) is not None:
        return missing
    deltas = {
        datetime.fromisoformat(row["tape_time"]): Decimal(row["net_delta"])
        for row in material.rows("net-prem-ticks")[:-2]  # the last ones still grow
    }
    pairs = [
        (Decimal(row["dir_delta_flow"]), deltas[at])
        for row in material.rows("greek-flow")
        if (at := datetime.fromisoformat(row["timestamp"])) in deltas
    ]
    if not pairs:
        return not_seen("no minute is in both")
    same = sum(abs(a - b) <= max(Decimal(1), abs(b) / 1_000) for a, b in pairs)
    return holds(same == len(pairs), f"{same} of {len(pairs)} minutes are equal")


_DECIMALS = _are_decimal_texts("price", "premium", "nbbo_bid", "strike", "delta")
_SOCKET: tuple[UwFact, ...] = (
    Fact("uw-2.1-joins", "every channel that we join is answered with ok", _joins_are_answered),
    Fact("uw-2.1-invented-name", "a join of a name that does not exist is answered with ok too",
         _an_invented_name_is_accepted),
    Fact("uw-2.1-pairs", "data frames are arrays of two, the joined name first", _frames_are_pairs),
    Fact("uw-2.4-lasts", "a connection lasts while we read and ping", _connection_lasts),
    *(Fact(f"uw-{section}-fields-{family}", f"frames of {family} have the documented fields",
           _frame_fields(family, names)) for family, (section, names) in FRAMES.items()),
    Fact("uw-3.1-decimals", "money and greeks of option_trades are decimal texts",
         _frames("option_trades", _DECIMALS)),
    Fact("uw-3.1-sides", "the four side volumes of option_trades sum to volume",
         _frames("option_trades", _sides_sum)),
    Fact("uw-3.1-premium", "premium of option_trades is size x price x 100",
         _frames("option_trades", lambda row: abs(
             Decimal(row["premium"]) - row["size"] * Decimal(row["price"]) * 100) < 1)),
    Fact("uw-3.1-times", "option_trades are created after they were executed",
         _frames("option_trades", lambda row: row["created_at"] >= row["executed_at"])),
    Fact("uw-3.2-money", "money of flow-alerts is numbers, bid and ask are texts",
         _frames("flow-alerts", _alert_money_is_numbers)),
    Fact("uw-3.2-trades", "trade_count of flow-alerts is the length of trade_ids",
         _frames("flow-alerts", lambda row: row["trade_count"] == len(row["trade_ids"]))),
    Fact("uw-3.2-sides", "side volumes of flow-alerts are the contract's and sum to volume",
         _frames("flow-alerts", _sides_sum)),
    Fact("uw-3.5-no-delta-dir", "gex has no delta in _dir",
         _frames("gex", lambda row: "delta_per_one_percent_move_dir" not in row)),
    Fact("uw-3.5-whole-seconds", "gex is stamped on whole seconds in market hours",
         _frames("gex", lambda row: row["timestamp"] % 1_000 == 0)),
    Fact("uw-3.9-changes", "market_tide brings changes, not totals",
         _flows_are_changes("market_tide", "net_call_premium", "market-tide")),
    Fact("uw-3.10-changes", "net_flow brings changes, not totals",
         _flows_are_changes("net_flow:SPY", "net_call_prem", "net-prem-ticks")),
)  # fmt: skip
_REST: tuple[UwFact, ...] = (
    Fact("uw-4.3-limit-headers", "every answer but 401 has the five limit headers", _limit_headers),
    Fact("uw-4.3-cap", "counter and remaining sum to 120", _cap_is_120),
    Fact("uw-4.3-window", "the window of a minute is fixed and counts down", _window_is_fixed),
    Fact("uw-1-quota", "the day's quota is 15,000 or more", _quota),
    Fact("uw-4.4-401", "an unknown token is answered with 401, without limit headers",
         _unknown_token),
    Fact("uw-4.4-404-path", "an unknown path is answered with 404 Route not found",
         _refusal("unknown-path", 404, lambda body: body == {"error": "Route not found"})),
    Fact("uw-4.4-404-ticker", "an unknown ticker is answered with 404 {}",
         _refusal("unknown-ticker", 404, lambda body: body == {})),
    Fact("uw-4.4-422", "a malformed ticker is answered with 422, path, msg and query",
         _refusal("malformed-ticker", 422,
                  lambda body: isinstance(body, dict) and {"path", "msg", "query"} <= body.keys())),
    *(Fact(f"uw-5-fields-{name}", f"rows of {name} have the documented fields",
           _answer_fields(name)) for name in ANSWERS),
    Fact("uw-4.2-net-volume-tide", "net_volume of market-tide is an integer",
         _rows("market-tide", _each(lambda row: isinstance(row["net_volume"], int)))),
    Fact("uw-4.2-net-volume-etf", "net_volume of etf-tide is a text",
         _rows("etf-tide", _each(lambda row: isinstance(row["net_volume"], str)))),
    Fact("uw-4.2-order-ticks", "net-prem-ticks come oldest first",
         _rows("net-prem-ticks", _ordered("tape_time"))),
    Fact("uw-4.2-order-1m", "bars of a minute come newest first",
         _rows("ohlc-1m", _ordered("start_time", falling=True))),
    Fact("uw-4.2-order-1d", "bars of a day come oldest first", _rows("ohlc-1d", _ordered("date"))),
    Fact("uw-4.2-order-contracts", "option-contracts come by falling volume",
         _rows("option-contracts", _ordered("volume", falling=True))),
    Fact("uw-4.2-order-board", "the board of strikes comes by rising strike",
         _rows("strike-board", _ordered("strike"))),
    Fact("uw-4.2-order-expiry-board", "the board of an expiry comes by falling strike",
         _rows("expiry-strike-board", _ordered("strike", falling=True))),
    Fact("uw-4.2-nulls-contracts", "prices of a contract are null exactly when its volume is 0",
         _rows("option-contracts", _each(_prices_are_null_without_volume))),
    Fact("uw-5-minutes", "net-prem-ticks have a row for each minute without gaps",
         _rows("net-prem-ticks", _minutes_without_gaps)),
    Fact("uw-5-net-volume", "net_call_volume is ask side less bid side",
         _rows("net-prem-ticks", _each(lambda row: row["net_call_volume"] ==
               row["call_volume_ask_side"] - row["call_volume_bid_side"]))),
    Fact("uw-5-board-time", "the board of strikes has one time",
         _rows("strike-board", lambda rows: len({row["time"] for row in rows}) == 1)),
    Fact("uw-5-board-signs", "put gamma and gamma at the ask are not positive, at the bid not "
         "negative", _rows("strike-board", _each(_signs_of_gamma))),
    Fact("uw-5-greek-flow", "dir_delta_flow of greek-flow equals net_delta of net-prem-ticks",
         _flow_equals_net_delta),
    Fact("uw-5-darkpool-premium", "premium of a dark print is price x size",
         _rows("darkpool", _each(_premium_is_price_times_size))),
    Fact("uw-5-darkpool-times", "a dark print was traded when it reached the tape, or earlier",
         _rows("darkpool", _each(lambda row: row["trf_executed_at"] <= row["executed_at"]))),
    Fact("uw-5-percentile", "percentile of interpolated-iv is 0 to 1",
         _rows("interpolated-iv", _each(lambda row: 0 <= Decimal(row["percentile"]) <= 1))),
    Fact("uw-5-iv-rank", "iv_rank_1y is 0 to 100",
         _rows("iv-rank", _each(lambda row: 0 <= Decimal(row["iv_rank_1y"]) <= 100))),
)  # fmt: skip
FACTS: tuple[UwFact, ...] = (*_SOCKET, *_REST)
