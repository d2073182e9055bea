"""Facts of the Interactive Brokers document that a look at TWS can confirm or refute."""

from __future__ import annotations

from collections.abc import Callable

from tests.live.facts import Fact, Verdict, confirmed, holds, not_seen, refuted
from tests.live.interactive_brokers import BAR_SECONDS, SYMBOLS, IbMaterial

IbFact = Fact[IbMaterial]
SERVER_VERSION = 178
CON_IDS = {"SPY": (756733, "ARCA"), "QQQ": (320227571, "NASDAQ"), "IWM": (9579970, "ARCA")}
LIVE = 1
HALTED = 49
PAIRED, INDICATIVE, IMBALANCE, REGULATORY = 34, 35, 36, 61
GREEKS = {10, 11, 12, 13, 80, 81, 82, 83}
CLOCK_SECONDS_MAX = 2.0


def _connected(
    judge: Callable[[IbMaterial], Verdict],
) -> Callable[[IbMaterial], Verdict]:
    """Nothing can be said of a TWS that was not reached."""

    def judged(material: IbMaterial) -> Verdict:
        if not material.server_version:
            return not_seen(material.failure or "no connection")
        return judge(material)

    return judged


def _version(material: IbMaterial) -> Verdict:
    return holds(material.server_version == SERVER_VERSION, f"{material.server_version}")


def _ready(material: IbMaterial) -> Verdict:
    seen = f"{material.accounts} accounts, next valid id {material.next_valid_id}"
    return holds(material.accounts > 0 and material.next_valid_id > 0, seen)


def _account(material: IbMaterial) -> Verdict:
    return holds(material.has_wanted_account, f"{material.accounts} accounts are served")


def _id_in_use(material: IbMaterial) -> Verdict:
    refusal = material.second_refusal
    return holds(refusal.startswith("326"), refusal[:120] or "a second connection was taken")


def _clock(material: IbMaterial) -> Verdict:
    if not material.clock:
        return not_seen("the clock was not answered")
    offset, trip = min(material.clock, key=lambda pair: pair[1])
    # The broker's clock has whole seconds: on the average half a second early.
    return holds(abs(offset + 0.5) <= CLOCK_SECONDS_MAX, f"{offset:+.1f} s, round trip {trip:.3f}")


def _contracts(material: IbMaterial) -> Verdict:
    wrong = []
    for symbol in SYMBOLS:
        found = material.stocks.get(symbol, [])
        contract = found[0].contract if len(found) == 1 else None
        if contract is None:
            wrong.append(f"{symbol}: {len(found)} contracts")
        elif (contract.conId, contract.primaryExchange) != CON_IDS[symbol]:
            wrong.append(f"{symbol}: {contract.conId} {contract.primaryExchange}")
    return holds(not wrong, "; ".join(wrong) or "contract ids and primary exchanges of the three")


def _class_of_chain(material: IbMaterial) -> Verdict:
    if not material.definitions:
        return not_seen("no chain was told")
    plain = {(name, size) for _exchange, name, size, _underlying in material.definitions}
    return holds(("SPY", "100") in plain, f"{len(material.definitions)} messages, {sorted(plain)}")


def _underlying_is_text(material: IbMaterial) -> Verdict:
    if not material.definitions:
        return not_seen("no chain was told")
    kinds = {type(underlying).__name__ for *_, underlying in material.definitions}
    return holds(kinds == {"str"}, f"it was {', '.join(sorted(kinds))}")


def _whole_expiry(material: IbMaterial) -> Verdict:
    if material.expiry is None:
        return not_seen("no expiry is known")
    rights = [d.contract.right[:1] for d in material.chain if d.contract]
    seen = f"{len(rights)} contracts of {material.expiry}"
    return holds({"C", "P"} <= set(rights) and len(rights) > 10, seen)


def _hours(material: IbMaterial) -> Verdict:
    if not material.chain:
        return not_seen("no contract of a chain")
    texts = {day for d in material.chain[:20] for day in d.tradingHours.split(";")}
    ends = {text.rpartition(":")[2] for text in texts if "CLOSED" not in text and text}
    return holds(bool(ends & {"1615"}), f"sessions end at {', '.join(sorted(ends)) or 'nothing'}")


def _tick_size(material: IbMaterial) -> Verdict:
    if not material.chain:
        return not_seen("no contract of a chain")
    sizes = {d.minTick for d in material.chain}
    return holds(sizes == {0.01}, f"minTick {sorted(sizes)}")


def _type_is_told(material: IbMaterial) -> Verdict:
    """Only then may what is not known to be live be left out of decisions."""
    spoken = {event.con_id for event in material.ticks()}
    asked = {
        request: name
        for request, name in material.lines.items()
        if name.startswith("ticks ") and int(name.rsplit(" ", 1)[1]) in spoken
    }
    if not asked:
        return not_seen("no line brought ticks")
    silent = [name for request, name in asked.items() if not material.data_types[request]]
    told = sorted({kind for kinds in material.data_types.values() for kind in kinds})
    return holds(not silent, f"types {told} on {len(asked)} lines, untold: {silent or 'none'}")


def _type_is_live(material: IbMaterial) -> Verdict:
    kinds = {kind for told in material.data_types.values() for kind in told}
    if not kinds:
        return not_seen("no type was told")
    return holds(kinds == {LIVE}, f"types {sorted(kinds)}")


def _halted(material: IbMaterial) -> Verdict:
    if not material.ticks():
        return not_seen("no ticks came")
    kinds = material.kinds(is_option=False)
    return holds(HALTED in kinds, f"kinds of ticks: {sorted(kinds)}")


def _auction(material: IbMaterial) -> Verdict:
    found = {PAIRED, INDICATIVE, IMBALANCE} & material.kinds(is_option=False)
    if not found:
        return not_seen("no auction tick came; look within the last hour of the session")
    return confirmed(f"ticks {sorted(found)}")


def _sign(material: IbMaterial) -> Verdict:
    values = [
        size or price
        for event in material.ticks()
        for kind, price, size in event.ticks
        if kind == IMBALANCE and (size or price > 0)
    ]
    if not values:
        return not_seen("no imbalance came")
    below = sum(value < 0 for value in values)
    if not below:
        return not_seen(f"{len(values)} values, none negative")
    return confirmed(f"{below} of {len(values)} values are negative")


def _regulatory(material: IbMaterial) -> Verdict:
    kinds = material.kinds(is_option=False)
    if not kinds & {PAIRED, IMBALANCE}:
        return not_seen("no auction tick came")
    sizes = [size for e in material.ticks() for kind, _, size in e.ticks if kind == REGULATORY]
    return holds(not any(sizes), f"{len(sizes)} ticks of kind 61, {sum(map(bool, sizes))} not 0")


def _bars(material: IbMaterial) -> Verdict:
    bars = material.bars()
    if not bars:
        return not_seen("no bar came")
    off = [bar for bar in bars if bar.start.timestamp() % BAR_SECONDS]
    late = max((bar.received_at - bar.start).total_seconds() for bar in bars)
    return holds(not off, f"{len(bars)} bars, {len(off)} off the grid, {late:.1f} s after start")


def _depth(material: IbMaterial) -> Verdict:
    levels = [tick for event in material.depth() for tick in event.ticks]
    if not levels:
        return not_seen("no depth came")
    named = {maker for _position, maker, *_ in levels}
    return holds(all(named), f"{len(levels)} levels of {len(named)} venues")


def _depth_operations(material: IbMaterial) -> Verdict:
    kinds = {operation for e in material.depth() for _p, _m, operation, *_ in e.ticks}
    if not kinds:
        return not_seen("no depth came")
    return holds(kinds <= {0, 1, 2}, f"operations {sorted(kinds)} (0 insert, 1 update, 2 delete)")


def _sampled(material: IbMaterial) -> Verdict:
    quoted = [e for e in material.ticks(CON_IDS["SPY"][0]) if any(k in (1, 2) for k, *_ in e.ticks)]
    if len(quoted) < 2 or material.seconds < 1:
        return not_seen("fewer than two quotes of SPY")
    rate = len(quoted) / material.seconds
    return holds(rate <= 10, f"{rate:.1f} packets with quotes a second")


def _greeks(material: IbMaterial) -> Verdict:
    options = [event for event in material.ticks() if event.right]
    if not options:
        return not_seen("no option line brought ticks")
    kinds = {computation[0] for event in options for computation in event.computations}
    return holds(bool(kinds & GREEKS), f"computations {sorted(kinds)}")


def _open_interest(material: IbMaterial) -> Verdict:
    kinds = material.kinds(is_option=True)
    if not kinds:
        return not_seen("no option line brought ticks")
    return holds(bool(kinds & {27, 28}), f"kinds of ticks: {sorted(kinds)}")


def _readable(material: IbMaterial) -> Verdict:
    if not material.events:
        return not_seen("nothing came")
    count = material.unreadable()
    return holds(not count, f"{count} of {len(material.events)} messages could not be decoded")


def _refusals(material: IbMaterial) -> Verdict:
    """Not a fact of its own: which lines the subscriptions of this account do not serve."""
    refused = {
        (line, code)
        for line, code, _text in material.codes
        if line and not 2100 <= code < 2200  # notices
    }
    if refused:
        return refuted("; ".join(f"{line}: {code}" for line, code in sorted(refused))[:200])
    return confirmed(f"{len(material.lines)} lines without an error")


def _facts() -> tuple[IbFact, ...]:
    rows: tuple[tuple[str, str, Callable[[IbMaterial], Verdict]], ...] = (
        ("1.2-version", "TWS settles on server version 178 with this client", _version),
        ("1.2-ready", "the handshake brings accounts and the next valid id", _ready),
        ("1.2-account", "the configured account is served", _account),
        ("1.2-id-in-use", "a client id in use is refused with 326", _id_in_use),
        ("4.7-clock", "the current time is answered, within 2 s of ours", _clock),
        ("1.9-contracts", "SPY, QQQ and IWM have the known ids and exchanges", _contracts),
        ("4.10-class", "the standard chain of SPY is class SPY, multiplier 100", _class_of_chain),
        ("3.6-underlying-text", "the underlying id of a chain is text", _underlying_is_text),
        ("4.10-whole-expiry", "strike 0 brings a whole expiry in one request", _whole_expiry),
        ("4.10-hours", "options of SPY trade until 16:15", _hours),
        ("1.9-tick-size", "options of SPY quote in cents", _tick_size),
        ("4.6-type-told", "TWS tells the market data type of each line, live too", _type_is_told),
        ("4.6-type-live", "the lines are live", _type_is_live),
        ("1.6-halted", "tick 49 comes on the lines of stocks", _halted),
        ("5-auction", "generic 225 brings 34, 35, 36 on the ETFs near an auction", _auction),
        ("5-sign", "tick 36 is signed: negative is to sell", _sign),
        ("5-regulatory", "tick 61 is absent or 0 on the three ETFs", _regulatory),
        ("1.6-bars", "5-second bars start on multiples of 5 s", _bars),
        ("1.6-depth", "smart depth names the venue of each level", _depth),
        ("3.6-depth-operations", "depth inserts, updates and deletes", _depth_operations),
        ("4.4-sampled", "quotes of a stock are sampled, a few a second", _sampled),
        ("1.6-greeks", "an option line brings computations of greeks", _greeks),
        ("1.6-open-interest", "generic 101 brings 27 or 28 on an option", _open_interest),
        ("1.1-readable", "every message can be decoded", _readable),
        ("4.3-lines", "no line is refused", _refusals),
    )
    return tuple(
        Fact(f"ib-{name}", statement, _connected(judge)) for name, statement, judge in rows
    )


FACTS = _facts()
