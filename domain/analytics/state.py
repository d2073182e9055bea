"""State of the analytics stage: what is known of each symbol and of the market.

Folded by ingest.py, bars.py and refresh.py, read by report.py. It has one owner, the stage, and
is updated in place. Times named `_at` with a float are epoch seconds of market time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime

from domain.analytics.auction import AuctionRun, AuctionTicks, Usual
from domain.analytics.auction_sessions import AuctionSessions
from domain.analytics.chain import ChainTable, Layout
from domain.analytics.closings import Closings
from domain.analytics.depth_flow import Depth
from domain.analytics.economic_calendar import CalendarEvent
from domain.analytics.ewma import EwMoments, five_sessions_moments
from domain.analytics.flow import Flow
from domain.analytics.flow_alerts import FlowAlerts
from domain.analytics.gex import Exposure, Regime
from domain.analytics.history import History
from domain.analytics.micro_price import MicroPrice
from domain.analytics.microstructure import Book, OrderFlow
from domain.analytics.news import NewsState
from domain.analytics.opening_range import OPENING_MINUTES, NoiseArea, OpeningRange
from domain.analytics.parameters import Settings
from domain.analytics.past import Past
from domain.analytics.realised import MinuteVolatility, SessionCloses
from domain.analytics.surface import Surface
from domain.analytics.tide import Tide
from domain.analytics.vendor_gex import SelfScored, VendorGex
from domain.analytics.vwap import Vwap
from domain.instruments import SYMBOLS, OptionContract
from domain.parameter import ParameterState
from domain.pricing.rates import RateCurve
from domain.session import Session
from domain.stage import Emission


@dataclass(slots=True)
class MinuteBar:
    """The minute in progress; `index` counts from the open."""

    index: int
    high: float
    low: float
    close: float
    volume: float
    bars: int = 1


@dataclass(slots=True)
class SessionBars:
    """What the bars of one session have built up."""

    last_start: datetime | None = None
    last_end: datetime | None = None
    arrived_at: float = 0.0
    close: float | None = None
    open: float | None = None
    minute: MinuteBar | None = None
    closed_minute: int = -1
    minute_close: float | None = None
    minute_end: datetime | None = None
    closes: SessionCloses = field(default_factory=SessionCloses)
    vwap: Vwap = field(default_factory=Vwap)
    opening: OpeningRange | None = None
    """The range that is traded, of `opening_range_minutes`."""
    openings: tuple[OpeningRange, ...] = ()
    """Those of 5, 15 and 30 minutes."""
    noise: NoiseArea | None = None
    noise_x: float | None = None
    noise_from_model: bool = False
    noise_reason: str = "NO_MINUTE"
    realised: float | None = None
    realised_reason: str = "NO_BARS"
    bipower: float | None = None
    median: float | None = None
    jump: float | None = None
    late_return: float | None = None
    """ln of the price at T_close - 30 min over the previous close."""
    skews: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=32))
    skew_z: float | None = None
    stale_reported: bool = False


@dataclass(slots=True)
class ChainState:
    """The table and the newest evaluation of it. `surface` is that of all expiries, made at
    `refreshed`; `later` are single expiries evaluated again since, by date, with the moment."""

    table: ChainTable = field(default_factory=ChainTable)
    layout: Layout | None = None
    closings: tuple[datetime, ...] = ()
    surface: Surface | None = None
    later: dict[date, tuple[Surface, datetime]] = field(default_factory=dict)
    swing: date | None = None
    """The expiry of the swing role among those of the surface."""
    passed_over: set[date] = field(default_factory=set)
    """Expiries that are not taken for it any more today."""
    exposure: Exposure | None = None
    gex_norm: float | None = None
    regime: Regime = field(default_factory=Regime)
    refreshed_at: float = 0.0
    refreshed: datetime | None = None
    refresh_slot: int = -1
    spot_reason: str = ""
    vendor: VendorGex = field(default_factory=VendorGex)
    line_center: int | None = None
    lines: tuple[OptionContract, ...] = ()

    def newest(self, expiry: date) -> tuple[Surface, datetime] | None:
        """The newest evaluation of an expiry: its surface, and when it was made."""
        later = self.later.get(expiry)
        if later is not None or self.surface is None or self.refreshed is None:
            return later
        return (self.surface, self.refreshed) if expiry in self.surface.layout.expiries else None


@dataclass(slots=True)
class SymbolState:
    symbol: str
    con_id: int = 0
    size_multiplier: int = 1
    connection: str = ""
    halted_by_vendor: bool = False
    halted_by_broker: bool = False
    book: Book = field(default_factory=Book)
    order_flow: OrderFlow = field(default_factory=OrderFlow)
    depth: Depth = field(default_factory=Depth)
    micro: MicroPrice = field(default_factory=MicroPrice)
    chain: ChainState = field(default_factory=ChainState)
    bars: SessionBars = field(default_factory=SessionBars)
    minutes: MinuteVolatility = field(default_factory=MinuteVolatility)
    skew_scores: EwMoments = field(default_factory=five_sessions_moments)
    vendor_vanna: SelfScored = field(default_factory=SelfScored)
    vendor_charm: SelfScored = field(default_factory=SelfScored)
    flow: Flow = field(default_factory=Flow)
    news: NewsState = field(default_factory=NewsState)
    auction: AuctionRun = field(default_factory=AuctionRun)
    auctions: AuctionSessions = field(default_factory=AuctionSessions)
    closings: Closings = field(default_factory=Closings)
    alerts: FlowAlerts = field(default_factory=FlowAlerts)
    past: Past | None = None
    coefficients: tuple[float, ...] | None = None
    """Of the variance forecast, once it was refitted."""

    def begin_session(self, session_date: date, opening_minutes: float) -> None:
        """A new day: sums start anew, EW moments and listed contracts carry over the night."""
        self.book = Book()
        scores = self.order_flow.slow
        self.order_flow = OrderFlow(slow=scores)
        self.depth.begin_session()
        self.micro.begin_session()
        self.chain = ChainState(table=self.chain.table.carried_over(session_date))
        self.bars = SessionBars(
            opening=OpeningRange(opening_minutes),
            openings=tuple(OpeningRange(minutes) for minutes in OPENING_MINUTES),
        )
        self.minutes.begin_session()
        self.vendor_vanna.begin_session()
        self.vendor_charm.begin_session()
        self.flow.begin_session()
        volumes = self.news.volumes
        self.news = NewsState(volumes=volumes)
        self.auction = AuctionRun()
        self.closings.newest = None
        self.alerts = FlowAlerts()
        self.halted_by_vendor = self.halted_by_broker = False
        self.past = None

    def reset_flows(self) -> None:
        """After a halt, or where sizes or the line changed: the next state of the book is compared
        with nothing."""
        self.order_flow.reset()
        self.depth.flow.reset()
        self.micro.today.reset()

    @property
    def halted(self) -> bool:
        """Either says so: the news of a halt, or of its end, may miss one of them."""
        return self.halted_by_vendor or self.halted_by_broker


@dataclass(slots=True)
class AnalyticsState:
    """The whole state."""

    parameters: ParameterState = field(default_factory=ParameterState)
    settings: Settings | None = None
    rates: RateCurve | None = None
    session: Session | None = None
    thinned: bool = False
    symbols: dict[str, SymbolState] = field(
        default_factory=lambda: {symbol: SymbolState(symbol) for symbol in SYMBOLS}
    )
    history: History = field(default_factory=History)
    history_read: int = -1
    tide: Tide = field(default_factory=Tide)
    tide_minute: int = -1
    tide_5d_z: float | None = None
    tide_5d_on: date | None = None
    """The last session of it."""
    calendar: tuple[CalendarEvent, ...] | None = None
    calendar_today: tuple[str, ...] | None = None
    calendar_next: tuple[str, ...] | None = None
    news_at: float | None = None
    major_seen: dict[str, None] = field(default_factory=dict)
    auction_ticks: dict[str, AuctionTicks] = field(default_factory=dict)
    member_books: dict[str, Book] = field(default_factory=dict)
    member_venues: dict[str, str] = field(default_factory=dict)
    usual: dict[str, Usual] = field(default_factory=dict)
    """By symbol, of those whose daily bars were imported."""
    unreadable: int = 0
    told: list[Emission] = field(default_factory=list)
    """What the last event gave rise to, in order, but for the reports."""
    due: list[str] = field(default_factory=list)
    """Symbols to report after that: their metrics are made only where they are written."""
    lines_moved: bool = False
    """Other lines are wanted than were told."""

    def spot(self, symbol: SymbolState, now: float) -> tuple[float | None, bool, str]:
        """Price to evaluate the chain at, whether it is a fresh quote, and what is wrong."""
        assert self.settings is not None
        book = symbol.book
        if book.good_mid > 0 and now - book.good_at <= self.settings.quote_age_max:
            return book.good_mid, not symbol.halted, "HALTED" if symbol.halted else ""
        bars = symbol.bars
        if bars.close is not None and now - bars.arrived_at <= self.settings.bar_age_max:
            return bars.close, False, "SPOT_FROM_BAR"
        return None, False, "NO_SPOT"
