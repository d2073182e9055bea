"""Which worker runs which stages, in which order: the one place that says so.

The daemons build their workers from it, and so does verification.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic import SecretStr

from domain.stage import Stage
from run.config import Settings


def signal_stages(settings: Settings) -> Sequence[Stage[Any]]:
    """Analytics, then the forecasts, the strategies that read them, and rolls of what is held."""
    from domain.analytics.stage import AnalyticsStage
    from domain.forecasts.stage import ForecastStage
    from domain.signals.closing import ClosingStage
    from domain.signals.fourteen_dte import FourteenDteStage
    from domain.signals.one_dte import OneDteStage
    from domain.signals.rolls import RollStage
    from domain.signals.zero_dte import ZeroDteStage

    strategies = (ZeroDteStage(), OneDteStage(), FourteenDteStage(), ClosingStage())
    return (AnalyticsStage(), ForecastStage(), *strategies, RollStage())


def trader_stages(settings: Settings) -> Sequence[Stage[Any]]:
    """A person is asked where one is to be, risk decides, orders carry out, positions follow fills,
    stops watch positions."""
    from domain.execution.orders import OrderStage
    from domain.execution.positions import PositionStage
    from domain.execution.stops import StopStage
    from domain.risk.stage import RiskStage
    from domain.risk.trade_approval import TradeApprovalStage

    return (TradeApprovalStage(), RiskStage(), OrderStage(), PositionStage(), StopStage())


def outbox_stages(settings: Settings) -> Sequence[Stage[Any]]:
    """Publication plans, reports are written and checked, approvals are given, deliveries made,
    alerts paged."""
    from domain.commentary.stage import ReportStage
    from domain.distribution.approvals import ApprovalStage
    from domain.distribution.deliveries import DeliveryStage
    from domain.distribution.pages import PageStage
    from domain.distribution.publication import PublicationStage

    key = settings.publication_secret.get_secret_value().encode()
    return (
        PublicationStage(key, settings.mode),
        ReportStage(settings.claude_model),
        ApprovalStage(),
        DeliveryStage(),
        PageStage(),
    )


WORKERS: Mapping[str, Callable[[Settings], Sequence[Stage[Any]]]] = {
    "signals": signal_stages,
    "trader": trader_stages,
    "outbox": outbox_stages,
}

DECIDING: Mapping[str, tuple[str, ...]] = {"outbox": ("publication_secret", "claude_model")}
"""Fields of Settings on which the decisions of a worker depend; everything else is on the log."""


def deciding_sha256(worker: str, settings: Settings) -> str:
    """Digest of the settings that decide, which WorkerStarted records: with others the decisions
    come out otherwise, and that would be no finding. A value cannot be read from it."""
    digest = sha256(worker.encode())
    for name in DECIDING.get(worker, ()):
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        digest.update(hmac.digest(text.encode(), name.encode(), "sha256"))
    return digest.hexdigest()


PROJECTIONS = ("hot", "streams.market", "streams.desk", "audit", "feed")
"""Names of the projections of run/projector.py, for who must not import them to name them."""
