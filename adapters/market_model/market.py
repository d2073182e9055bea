"""The simulated market: one state that both market sandboxes read, moved by one task.

Everything random was drawn beforehand or is drawn a minute at a time from a stream named after
that minute, so the updates of a seed are the same whatever the steps of `advance`. SeededMarket
and RecordedMarket differ only in where the seconds come from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from adapters.market_model import book as books
from adapters.market_model.auction import AuctionListing, auction_ticks
from adapters.market_model.contract import (
    AuctionTicked,
    BarClosed,
    MarketUpdate,
    NewsPublished,
    OptionTraded,
    SimBar,
    SimContract,
    SimGreeks,
    SimQuote,
)
from adapters.market_model.history import HistoricDay
from adapters.market_model.news import headlines
from adapters.market_model.options import OptionMarket
from adapters.market_model.past import Past, PlayedPast, SeededPast, played_day
from adapters.market_model.paths import (
    ADV_SHARES,
    AFTER_CLOSE_SECONDS,
    BEFORE_OPEN_SECONDS,
)
from adapters.market_model.quote_line import QuoteLine, line_contract, quote_source
from adapters.market_model.scenario import BASKET, BasketMember, Scenario
from adapters.market_model.seconds import SecondTable, bars, part
from adapters.market_model.session_plan import SessionPlan, SimSession
from adapters.market_model.tape import FlowMinute
from adapters.market_model.tide import tide_by_second
from adapters.market_model.updates import option_updates


class SimulatedMarket:
    """A session and the sessions before it. Implements contract.MarketModel."""

    def __init__(
        self,
        seed: int,
        plan: SessionPlan,
        scenario: Scenario,
        tables: Mapping[str, SecondTable],
        history: Mapping[str, Sequence[HistoricDay]],
        basket: Sequence[BasketMember] = BASKET,
        recorded_quotes: Mapping[str, books.RecordedQuotes] | None = None,
        before: SimulatedMarket | None = None,
    ) -> None:
        """`tables` hold the day's seconds of the symbols and the basket members; `before` is the
        session before where it was played too, and over."""
        self.session_date = plan.day.session_date
        self.open_at = plan.day.open_at
        self.close_at = plan.day.close_at
        self.symbols: Sequence[str] = tuple(ADV_SHARES)
        self.basket: Sequence[str] = tuple(member.symbol for member in basket)
        self.scenario = scenario
        self.plan = plan
        self._tables = dict(tables)
        self._history = {symbol: list(days) for symbol, days in history.items()}
        self._start = plan.day.open_at - timedelta(seconds=BEFORE_OPEN_SECONDS)
        self._length = BEFORE_OPEN_SECONDS + plan.day.seconds + AFTER_CLOSE_SECONDS
        self._now = 0.0
        members = {member.symbol: member for member in basket}
        self._lines = {
            symbol: QuoteLine(
                line_contract(symbol, members.get(symbol)),
                quote_source(
                    seed,
                    symbol,
                    self._tables[symbol],
                    scenario.book_lead,
                    (recorded_quotes or {}).get(symbol),
                ),
                self._start,
                self._length,
            )
            for symbol in (*self.symbols, *self.basket)
        }
        self._by_id = {line.contract.con_id: symbol for symbol, line in self._lines.items()}
        self.options: dict[str, OptionMarket] = {
            symbol: OptionMarket(
                seed,
                plan,
                scenario,
                self._tables[symbol],
                self._history[symbol],
                symbol,
                before.options[symbol] if before else None,
            )
            for symbol in self.symbols
        }
        self._option_symbol = {
            contract.con_id: symbol
            for symbol, options in self.options.items()
            for contract in options.chain.contracts
        }
        self._news = headlines(seed, self._start, self._length, scenario.news_per_minute)
        self._auction = (
            auction_ticks(seed, self._listings(members), self._close_second, scenario.auction_path)
            if scenario.has_auction
            else []
        )
        self._fixed: list[NewsPublished | AuctionTicked] = sorted(
            [*self._news, *self._auction], key=lambda update: update.at
        )
        self._fixed_at = [(update.at - self._start).total_seconds() for update in self._fixed]
        lean = self.options["SPY"].lean[: plan.day.seconds]
        self._tide = tide_by_second(seed, "today", lean)
        self.past: Past = before.as_past() if before else SeededPast(seed, self._history)
        self._move_lines(0.0)

    # -- set-up ------------------------------------------------------------------------------

    @property
    def _close_second(self) -> int:
        return BEFORE_OPEN_SECONDS + self.plan.day.seconds

    def _listings(self, members: Mapping[str, BasketMember]) -> list[AuctionListing]:
        share = self.scenario.closing_imbalance
        result = []
        for index, (symbol, line) in enumerate(self._lines.items()):
            member = members.get(symbol)
            adv = member.adv_shares if member else ADV_SHARES[symbol]
            spread = 0.8 + 0.4 * ((index * 7) % 10) / 9
            result.append(
                AuctionListing(
                    line.contract.con_id,
                    symbol,
                    line.contract.primary_exchange,
                    adv,
                    share * spread * (1.0 if member else 0.6),
                    self._tables[symbol],
                )
            )
        return result

    # -- time --------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._now)

    @property
    def seconds_since_open(self) -> float:
        return self._now - BEFORE_OPEN_SECONDS

    def advance(self, until: datetime, thin: bool = False) -> list[MarketUpdate]:
        """Move the market to `until`; see contract.MarketModel.advance. Never goes back."""
        target = min((until - self._start).total_seconds(), float(self._length))
        before = self._now
        if target <= before:
            return []
        found: list[tuple[float, int, MarketUpdate]] = []
        for rank, symbol in enumerate(self.symbols):
            found.extend(
                (at, rank, BarClosed(bar_end, bar))
                for at, bar_end, bar in self._closed_bars(symbol, before, target)
            )
        for rank, line in enumerate(self._lines.values()):
            found.extend(
                (at, 10 + rank, quoted) for at, quoted in line.between(before, target, thin)
            )
        for rank, symbol in enumerate(self.symbols):
            found.extend(
                (at, 40 + rank, traded) for at, traded in self._traded(symbol, target, thin)
            )
        first, last = bisect_right(self._fixed_at, before), bisect_right(self._fixed_at, target)
        found.extend((self._fixed_at[k], 50, self._fixed[k]) for k in range(first, last))
        found.sort(key=lambda item: item[:2])
        self._now = target
        self._move_lines(target)
        return [update for _, _, update in found]

    def is_out(self, vendor: str, symbol: str = "", at: datetime | None = None) -> bool:
        """Whether `vendor` publishes nothing, or nothing of `symbol`, now or at a time; see
        scenario.Outage."""
        minute = ((at or self.now()) - self.open_at).total_seconds() / 60
        return any(
            outage.from_minute < minute <= outage.until_minute
            and outage.vendor in ("", vendor)
            and (not outage.symbols or symbol in outage.symbols)
            for outage in self.scenario.outages
        )

    def _closed_bars(
        self, symbol: str, before: float, until: float
    ) -> Iterator[tuple[float, datetime, SimBar]]:
        first, last = int(before // 5) * 5, int(until // 5) * 5
        for bar in bars(self._tables[symbol], 5, first, last):
            end = bar.start + timedelta(seconds=5)
            yield (end - self._start).total_seconds(), end, bar

    def _traded(
        self, symbol: str, until: float, thin: bool
    ) -> Iterator[tuple[float, OptionTraded]]:
        options = self.options[symbol]
        for chunk, first, last in options.tape.take(until - BEFORE_OPEN_SECONDS):
            if not thin:
                yield from option_updates(options, chunk, first, last, self._start)
            options.tape.absorb(chunk, first, last)

    def _move_lines(self, at: float) -> None:
        for line in self._lines.values():
            line.move_to(at)

    # -- contracts and quotes ------------------------------------------------------------------

    def contracts(self, symbol: str) -> Sequence[SimContract]:
        return self.options[symbol].chain.contracts

    def contract(self, con_id: int) -> SimContract | None:
        symbol = self._by_id.get(con_id)
        if symbol is not None:
            return self._lines[symbol].contract
        symbol = self._option_symbol.get(con_id)
        if symbol is None:
            return None
        chain = self.options[symbol].chain
        return chain.contracts[chain.rows[con_id]]

    def underlying(self, symbol: str) -> SimContract:
        return self._lines[symbol].contract

    def spot(self, symbol: str) -> float:
        """Price of an underlying now, between seconds on a line."""
        return self.options[symbol].spot(self.seconds_since_open)

    def last(self, symbol: str) -> tuple[float, int]:
        """Last trade and session volume of an underlying or basket member."""
        return self._lines[symbol].last

    def quote(self, con_id: int) -> SimQuote | None:
        """Top of book now. Options have no quote before the open and 15 minutes after the close."""
        symbol = self._by_id.get(con_id)
        if symbol is not None:
            return self._lines[symbol].quote
        symbol = self._option_symbol.get(con_id)
        if symbol is None:
            return None
        options = self.options[symbol]
        right = options.chain.contracts[options.chain.rows[con_id]].right
        if right == "P" and symbol in self.scenario.unquoted_puts:
            return SimQuote(0, 0, 0, 0)
        return self.options[symbol].quote(con_id, self.seconds_since_open)

    def greeks(self, con_id: int) -> SimGreeks | None:
        symbol = self._option_symbol.get(con_id)
        return self.options[symbol].greeks(con_id, self.seconds_since_open) if symbol else None

    def depth(
        self, symbol: str, rows: int
    ) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        return self._lines[symbol].depth(rows, salt=int(self._now * 2))

    def open_interest(self, con_id: int) -> int:
        symbol = self._option_symbol.get(con_id)
        if symbol is None:
            return 0
        options = self.options[symbol]
        return int(options.open_interest[options.chain.rows[con_id]])

    def option_volume(self, con_id: int) -> tuple[int, int, int, int]:
        symbol = self._option_symbol.get(con_id)
        if symbol is None:
            return (0, 0, 0, 0)
        tape, row = self.options[symbol].tape, self.options[symbol].chain.rows[con_id]
        sides = (int(tape.at_ask[row]), int(tape.at_bid[row]), int(tape.between[row]))
        return (sum(sides), *sides)

    # -- totals and history --------------------------------------------------------------------

    def tide(self, seconds_since_open: float | None = None) -> tuple[int, ...]:
        """Market tide since the open, columns as tide.TIDE_FIELDS; now when no time is given."""
        at = self.seconds_since_open if seconds_since_open is None else seconds_since_open
        row = self._tide[min(max(int(at), 0), len(self._tide) - 1)]
        return tuple(int(value) for value in row)

    def past_tide(self, session: date, step_seconds: int) -> list[tuple[int, ...]]:
        """Running tide of an earlier session at the end of each step, columns as TIDE_FIELDS."""
        return self.past.tide(session, step_seconds)

    def net_premium(self, symbol: str) -> list[FlowMinute]:
        """Net-premium minutes of the session so far, the running one last."""
        return self.options[symbol].tape.minutes()

    def past_net_premium(self, symbol: str, session: date) -> list[FlowMinute]:
        """Net-premium minutes of an earlier session."""
        return self.past.net_premium(symbol, session, self.options[symbol].flow_scale())

    def earlier_session(self, session: date) -> SimSession | None:
        """A session before today by its date."""
        return next((s for s in self.plan.earlier if s.session_date == session), None)

    def daily_bars(
        self, symbol: str, count: int
    ) -> list[tuple[date, float, float, float, float, int]]:
        return [day.as_row() for day in self._history[symbol][-count:]] if count > 0 else []

    def bars(self, symbol: str, session: date, seconds: int) -> list[SimBar]:
        """Bars of an earlier session, or of this one from the open so far; empty when unknown."""
        if session == self.session_date:
            last = min(int(self._now), self._close_second)
            return bars(self._tables[symbol], seconds, BEFORE_OPEN_SECONDS, last)
        try:
            table = self.past.table(symbol, session)
        except LookupError:
            return []
        return bars(table, seconds, 0, len(table))

    # -- the session that follows ---------------------------------------------------------------

    def as_history(self) -> dict[str, list[HistoricDay]]:
        """The daily bars that the next session looks back on, today's last."""
        return {
            symbol: [*days[1:], played_day(self.plan.day, self._session_table(symbol))]
            for symbol, days in self._history.items()
        }

    def as_past(self) -> Past:
        """What the next session knows of this one, which is over, and of those before."""
        minutes = self.plan.day.seconds // 60
        return PlayedPast(
            self.session_date,
            {symbol: self._session_table(symbol) for symbol in self._lines},
            self._tide,
            {symbol: self.net_premium(symbol)[:minutes] for symbol in self.symbols},
            self.past,
        )

    def _session_table(self, symbol: str) -> SecondTable:
        return part(self._tables[symbol], BEFORE_OPEN_SECONDS, self._close_second)
