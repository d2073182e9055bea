"""Every gate of a signal, evaluated without short-circuit (rules, 4.3).

Called at each evaluation point of a candidate. A gate is pass, fail or unevaluable, always with
what was measured against what; unevaluable never passes.
"""

from __future__ import annotations

from datetime import date

from domain.events.signals import Gate, Result
from domain.instruments import Strategy
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.signals.case import Case, gate, window
from domain.signals.entry import entry_gate
from domain.signals.leg_check import early_exercise
from domain.signals.plan import Odds
from domain.signals.reading import Chain, ChainRow
from domain.signals.structure import (
    Choice,
    bid_is_enough,
    interest_is_enough,
    size_hit,
    size_is_enough,
    spread_is_tight,
)


def _session_gates(case: Case, parameters: ParameterState) -> list[Gate]:
    session, now, halt = case.session, case.now, case.facts.market_halt
    span = window(case, parameters)
    inside = span is not None and span[0] <= now < span[1]
    return [
        gate(
            DenialCode.SESSION_OPEN,
            session.is_open(now) and not halt,
            f"{now.isoformat()}, {halt}" if halt else now.isoformat(),
            f"[{session.open_at.isoformat()}, {session.close_at.isoformat()})",
        ),
        gate(
            DenialCode.WINDOW,
            inside,
            now.isoformat(),
            "-" if span is None else f"[{span[0].isoformat()}, {span[1].isoformat()})",
            "window disabled on a short day" if span is None else "",
        ),
        gate(
            DenialCode.CLOCK_NORMAL,
            case.facts.entries_open,
            "open" if case.facts.entries_open else "closed",
            "open to entries",
        ),
    ]


def _news_gates(case: Case) -> list[Gate]:
    calendar, news = case.reading.text("calendar_state"), case.reading.text("news_state")
    blocked = case.facts.range_blocked_until
    is_range = case.sells_premium and case.bucket.strategy is Strategy.ZERO_DTE
    late = is_range and blocked is not None and case.now < blocked
    return [
        gate(
            DenialCode.BLACKOUT,
            None if calendar is None else calendar != "BLACKOUT" and not late,
            f"{calendar or '-'}{', FOMC day' if late else ''}",
            "no blackout",
            case.reading.reason("calendar_state")
            or ("missing: calendar_state" if calendar is None else ""),
        ),
        gate(
            DenialCode.NO_SHOCK,
            None if news is None else news != "SHOCK",
            news or "-",
            "no SHOCK",
            "missing: news_state" if news is None else "",
        ),
    ]


def _data_gates(case: Case, parameters: ParameterState) -> list[Gate]:
    reading, number, names = case.reading, parameters.number, case.bucket.metrics
    quote, bar = reading.number("quote_age_s"), reading.number("bar_age_s")
    strikes = reading.number(names.valid_strikes)
    limits = (
        number("quote_age_max_underlying"),
        number("bar_age_max"),
        number("signals.surface_strikes_min"),
    )
    absent = [
        name
        for name, value in (
            ("quote_age_s", quote),
            ("bar_age_s", bar),
            (names.valid_strikes, strikes),
            ("spot_mid", reading.number("spot_mid")),
            (names.atm_iv, reading.number(names.atm_iv)),
        )
        if value is None
    ]
    fresh: bool | None = None
    if quote is not None and bar is not None and strikes is not None and not absent:
        fresh = (
            quote <= limits[0]
            and bar <= limits[1]
            and strikes >= limits[2]
            and reading.quality("spot_mid") == "OK"
            and reading.quality(names.atm_iv) == "OK"
        )
    return [
        gate(
            DenialCode.DATA_FRESH,
            fresh,
            f"quote {quote} s, bar {bar} s, {strikes} strikes,"
            f" spot {reading.quality('spot_mid')}, surface {reading.quality(names.atm_iv)}",
            f"quote {limits[0]:g} s, bar {limits[1]:g} s, {limits[2]:g} strikes, both OK",
            f"missing: {', '.join(absent)}" if absent else "",
        ),
        gate(
            DenialCode.FEATURE_COVERAGE,
            case.score.coverage >= number("signals.coverage_min"),
            case.score.coverage,
            number("signals.coverage_min"),
        ),
    ]


_TRUE_WORDS = frozenset({"OK", "TRUE", "PASS"})


def _forward_gate(case: Case) -> Gate:
    name = case.bucket.metrics.forward_ok
    number, word = case.reading.number(name), case.reading.text(name)
    holds: bool | None = None
    if number is not None:
        holds = number == 1.0
    elif word is not None:
        holds = word.upper() in _TRUE_WORDS
    reason = case.reading.reason(name)
    return gate(
        DenialCode.FORWARD_OK,
        holds,
        number if word is None else word,
        "parity forward agrees",
        reason or (f"missing: {name}" if holds is None else ""),
    )


def _trust_gate(case: Case, parameters: ParameterState) -> Gate:
    record = case.record
    skill = record.recent.skill
    return gate(
        DenialCode.MODEL_TRUST,
        not record.failed,
        f"n_eff {record.n_eff:.1f}, skill {'-' if skill is None else f'{skill:.4f}'}",
        f"skill >= {parameters.number('signals.trust_skill_floor')} from n_eff"
        f" {parameters.number('signals.trust_n_eff'):g}",
        "distrusted until the latest outcomes show skill" if record.failed else "",
    )


def leg_liquidity(
    row: ChainRow,
    ratio: int,
    age: float | None,
    open_lines: frozenset[int],
    parameters: ParameterState,
    limits: str,
) -> tuple[bool | None, str]:
    """One leg, its quote `age` seconds old: None while its line or quote is awaited."""
    number = parameters.number
    name = f"{row.strike}{row.right.value}"
    if row.con_id not in open_lines or not row.on_line:
        return None, f"{name}: awaiting a broker line"
    age_limit = number("signals.quote_age_option_s")
    if age is None or age > age_limit or not row.is_two_sided:
        return None, f"{name}: no usable quote within {age_limit:g} s"
    size = size_hit(row, ratio)
    if size is None:
        return None, f"{name}: size unknown"
    faults = []
    if not spread_is_tight(row, parameters, limits):
        faults.append(f"spread {row.spread}")
    if ratio > 0 and not bid_is_enough(row, parameters):
        faults.append(f"bid {row.bid}")
    if not size_is_enough(size, parameters):
        faults.append(f"size {size}")
    if not interest_is_enough(row, parameters):
        faults.append(f"interest {row.open_interest}, volume {row.volume}")
    return (False, f"{name}: {', '.join(faults)}") if faults else (True, f"{name}: ok")


def _structure_gates(case: Case, parameters: ParameterState) -> list[Gate]:
    chosen = case.chosen
    role = case.bucket.expiry
    listed = case.chain is not None and role.is_expiry(case.chain.expiry, case.session)
    expected = role.expected(case.session)
    expiry = gate(
        DenialCode.NO_EXPIRY,
        listed,
        "-" if case.chain is None else case.chain.expiry.isoformat(),
        "-" if expected is None else expected.isoformat(),
        "" if listed else f"no chain of the {role.words} expiry",
    )
    if not isinstance(chosen, Choice):
        reason = "no chain" if chosen is None else chosen.reason
        waiting = (DenialCode.LIQUIDITY, DenialCode.GREEKS_AGREE, DenialCode.EV_POSITIVE)
        return [
            expiry,
            gate(DenialCode.NO_STRIKE, False, "-", "a structure within its limits", reason),
            *(gate(code, None, "-", "-", "missing: structure") for code in waiting),
        ]
    found = [
        leg_liquidity(
            row,
            leg.ratio,
            case.quote_age(row),
            case.facts.open_lines,
            parameters,
            case.bucket.liquidity,
        )
        for row, leg in zip(chosen.rows, chosen.structure.legs, strict=True)
    ]
    liquid: bool | None = all(holds for holds, _ in found)
    if any(holds is None for holds, _ in found) and not any(holds is False for holds, _ in found):
        liquid = None
    number, prefix = parameters.number, case.bucket.liquidity
    legs = ", ".join(f"{row.strike}{row.right.value}" for row in chosen.rows)
    return [
        expiry,
        gate(DenialCode.NO_STRIKE, True, f"{legs} at {chosen.net_mid}", "within its limits"),
        gate(
            DenialCode.LIQUIDITY,
            liquid,
            "; ".join(text for _, text in found),
            f"line, quote within {number('signals.quote_age_option_s'):g} s, spread <="
            f" max({number(f'{prefix}.spread_min_usd')},"
            f" {number(f'{prefix}.spread_share')} of mid), size >="
            f" {number('signals.liquidity.size_min'):g}, interest or volume >="
            f" {number('signals.liquidity.interest_min'):g}",
        ),
        greeks_gate(chosen, case.chain, case.session.session_date, parameters),
        _value_gate(case, parameters),
    ]


def _delta_to_trade_by(row: ChainRow, chain: Chain | None, session_date: date) -> float | None:
    """With early exercise, as the broker's is: of a put in the money for weeks that alone is 0.02
    to 0.04, and more where rates are high."""
    if row.delta is None or row.volatility is None or chain is None:
        return row.delta
    return early_exercise(row, chain, session_date)[1]


def greeks_gate(
    chosen: Choice, chain: Chain | None, session_date: date, parameters: ParameterState
) -> Gate:
    """Our delta against the broker's model delta, where it has a fresh one."""
    limit = parameters.number("signals.greeks_delta_max")
    apart = []
    for row in chosen.rows:
        ours = None if row.broker_delta is None else _delta_to_trade_by(row, chain, session_date)
        if ours is not None and row.broker_delta is not None:
            apart.append(abs(ours - row.broker_delta))
    worst = max(apart, default=None)
    return gate(
        DenialCode.GREEKS_AGREE,
        worst is None or worst <= limit,
        "-" if worst is None else f"{worst:.4f}",
        limit,
        "" if len(apart) == len(chosen.rows) else "NOT_COMPARED",
    )


def _value_gate(case: Case, parameters: ParameterState) -> Gate:
    if case.odds is None or case.p_win is None:
        return gate(DenialCode.EV_POSITIVE, None, "-", "-", "missing: p_win")
    value = case.odds.expected_value(case.p_win)
    least = max(
        parameters.number("signals.ev_min_usd"),
        parameters.number("signals.ev_min_share") * case.odds.stop_usd,
    )
    return gate(
        DenialCode.EV_POSITIVE,
        value >= least,
        f"{value:.4f} USD",
        f"{least:.4f} USD",
        f"p {case.p_win:.4f}, W {case.odds.target_usd:.2f}, Ls {case.odds.stop_usd:.2f},"
        f" cost {case.odds.cost_usd:.2f}, slippage {_slippage(case.odds)}",
    )


def _slippage(found: Odds) -> str:
    """Which figure the cost rests on: what fills measured, or the budget while they are few."""
    if found.slippage_fills:
        return f"{found.slippage:.4f} of {found.slippage_fills} fills, budget {found.budget}"
    return f"{found.slippage:.4f} budgeted"


def _desk_gates(case: Case, parameters: ParameterState) -> list[Gate]:
    until = case.facts.cooldown_until
    return [
        gate(
            DenialCode.NO_DUPLICATE,
            not case.facts.has_position,
            "open" if case.facts.has_position else "none",
            "no open position of this key",
        ),
        gate(
            DenialCode.COOLDOWN,
            until is None or case.now >= until,
            case.now.isoformat(),
            "none" if until is None else until.isoformat(),
        ),
        _broker_gate(case, parameters),
        gate(
            DenialCode.KILL_SWITCH_OFF,
            not case.facts.halted,
            "halted" if case.facts.halted else "none",
            "not halted",
        ),
    ]


def _broker_gate(case: Case, parameters: ParameterState) -> Gate:
    """Connected, reconciled, and equity told lately: by its value and by the stream since then."""
    facts, number = case.facts, parameters.number
    ages = {
        "net liquidation": (facts.equity_age_seconds, number("risk.equity_age_max_s")),
        "daily-P&L stream": (facts.stream_age_seconds, number("risk.equity_stream_age_max_s")),
    }
    absent = [name for name, (age, _) in ages.items() if age is None]
    ready: bool | None = facts.broker_ready and facts.reconciled
    if ready:
        young = [age <= limit for age, limit in ages.values() if age is not None]
        ready = None if absent and all(young) else all(young)
    told = [f"{name} {'-' if age is None else f'{age:.0f}'} s" for name, (age, _) in ages.items()]
    limits = [f"{name} {limit:g} s" for name, (_, limit) in ages.items()]
    return gate(
        DenialCode.BROKER_READY,
        ready,
        f"ready {facts.broker_ready}, reconciled {facts.reconciled}, {', '.join(told)}",
        f"ready, reconciled, {', '.join(limits)}",
        f"missing: {', '.join(absent)}" if ready is None else "",
    )


def evaluate(case: Case, parameters: ParameterState) -> tuple[Gate, ...]:
    """Every gate in fixed order."""
    return (
        *_session_gates(case, parameters),
        *_news_gates(case),
        *_data_gates(case, parameters),
        _trust_gate(case, parameters),
        _forward_gate(case),
        *case.bucket.rules.own_gates(case, parameters),
        entry_gate(case, parameters),
        *_structure_gates(case, parameters),
        *_desk_gates(case, parameters),
    )


NOT_ASKED_OF_PREDICTIONS = frozenset(
    {
        DenialCode.MODEL_TRUST.value,
        DenialCode.EV_POSITIVE.value,
        DenialCode.BROKER_READY.value,
        DenialCode.KILL_SWITCH_OFF.value,
    }
)
"""Gates without which a structure's outcome is predicted all the same: trust can be earned back."""


def all_pass(gates: tuple[Gate, ...], without: frozenset[str] = frozenset()) -> bool:
    return all(g.result is Result.PASS for g in gates if g.code not in without)


def outcomes(gates: tuple[Gate, ...]) -> tuple[tuple[str, Result], ...]:
    """What has to change for the gates to be recorded again."""
    return tuple((g.code, g.result) for g in gates)
