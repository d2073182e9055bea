"""Requests to change parameters of the rules; the limits of risk have a request of their own."""

from __future__ import annotations

from datetime import datetime

from domain.event import DeskEvent


class ParametersChangeRequested(DeskEvent):
    """The operator wants parameters to take these values, for good or `until` a time.

    `expected_version` is that of the parameters that were looked at: when others hold by now, the
    request is refused. Answered by ParametersChanged or ControlRefused; one with `until` is
    followed by another ParametersChanged that brings the values back. Stream `control/<route>`.
    """

    values: dict[str, float | str | bool]
    expected_version: int
    who: str
    route: str
    reason: str
    reauthenticated: bool
    until: datetime | None = None
