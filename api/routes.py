"""The route table: every address of the API with what it needs and what it takes.

The one place where routes are named. The app, the OpenAPI description and the permission test all
come from it.
"""

from __future__ import annotations

from api import (
    access,
    analytics,
    books,
    calibration,
    controls,
    exit_plans,
    limits,
    operations,
    plain_pages,
    reads,
    stream,
    timeline,
)
from api.control_models import (
    AcknowledgeBody,
    AdjustmentBody,
    CacheBody,
    CashFlowBody,
    EventQuery,
    ExitPlanBody,
    FlattenBody,
    LimitsBody,
    LoginBody,
    ParametersBody,
    ReasonBody,
    ReleaseBody,
    RowsQuery,
    StreamQuery,
    TimelineQuery,
)
from api.dispatch import ApiRoute, Handler, Permission

PREFIX = "/api/v1"
_CONTROL_ANSWERS = {
    200: "Accepted: the event that decided it is named.",
    202: "Requested: on the log, not decided yet.",
    409: "Refused, with the reason.",
}


def _read(path: str, summary: str, handler: Handler) -> ApiRoute:
    return ApiRoute("GET", PREFIX + path, summary, Permission.SESSION, handler)


def _table(path: str, summary: str, handler: Handler) -> ApiRoute:
    return ApiRoute("GET", PREFIX + path, summary, Permission.SESSION, handler, query=RowsQuery)


def _control(
    path: str,
    summary: str,
    handler: Handler,
    body: type = ReasonBody,
    *,
    takes_form: bool = False,
) -> ApiRoute:
    return ApiRoute(
        "POST",
        PREFIX + path,
        summary,
        Permission.CONTROL,
        handler,
        body=body,
        takes_form=takes_form,
        answers=_CONTROL_ANSWERS,
    )


ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        "POST", f"{PREFIX}/login", "Log in.", Permission.PUBLIC, access.login,
        body=LoginBody, takes_form=True,
    ),
    ApiRoute("POST", f"{PREFIX}/logout", "Log out.", Permission.PUBLIC, access.logout),
    _read("/session", "Who is logged in, and the X-CSRF token.", access.get_session),
    _read("/health", "How every part of the desk is.", reads.health),
    _table("/positions", "Positions with marks; open ones first.", reads.positions),
    _table("/orders", "Orders; working ones first.", reads.orders),
    _table("/signals", "Signals with their gates; newest first.", reads.signals),
    _read("/pnl", "Profit and loss of the session by strategy.", reads.pnl),
    _table("/approvals", "Approvals; waiting ones first.", reads.approvals),
    _table("/publications", "Deliveries to vendors; newest first.", reads.publications),
    _table("/reports", "Commentary; newest first.", reads.reports),
    _table("/alerts", "Alerts; open ones first.", reads.alerts),
    _read("/limits", "Limits of risk: value, bounds, since when and by whom.", limits.limits),
    _read("/parameters", "Parameters of the rules: value, bounds, version.", limits.parameters),
    _read("/analytics", "Metrics and newest forecasts by symbol.", analytics.analytics),
    ApiRoute(
        "GET", f"{PREFIX}/calibration", "How good each forecast is, by model, symbol and bucket.",
        Permission.SESSION, calibration.calibration, query=calibration.CalibrationQuery,
    ),
    ApiRoute(
        "GET", f"{PREFIX}/timeline", "A page of the log.", Permission.SESSION,
        timeline.timeline, query=TimelineQuery,
    ),
    ApiRoute(
        "GET", f"{PREFIX}/events/{{event_id}}", "One event with its payload.",
        Permission.SESSION, timeline.event, query=EventQuery,
    ),
    _read("/chain/{event_id}", "Causes up to the root, effects down.", timeline.chain),
    ApiRoute(
        "GET", f"{PREFIX}/stream", "Live events (text/event-stream).", Permission.SESSION,
        stream.stream, query=StreamQuery,
    ),
    _control("/halt", "Stop entries; exits go on.", controls.halt, takes_form=True),
    _control("/release", "Let entries go on; the password again.", controls.release, ReleaseBody),
    _control("/flatten", "Close every position.", controls.flatten, FlattenBody,
        takes_form=True),
    _control(
        "/limits/change", "Change limits, for good or until a time; the password again.",
        limits.change_limits, LimitsBody,
    ),
    _control(
        "/parameters/change", "Change parameters, for good or until a time; the password again.",
        limits.change_parameters, ParametersBody,
    ),
    _control("/feeds/{feed}/pause", "Pause a feed.", controls.pause_feed),
    _control("/feeds/{feed}/resume", "Resume a feed.", controls.resume_feed),
    _control(
        "/trades/{position_id}/cancel", "Withdraw an entry or close a position.",
        controls.cancel_trade,
    ),
    _control(
        "/trades/{position_id}/exit-plan", "Change the stop, target or time stop of a position.",
        exit_plans.change_exit_plan, ExitPlanBody,
    ),
    _control(
        "/books/position", "Explain what the broker holds and we do not; the password again.",
        books.adjust_position, AdjustmentBody,
    ),
    _control(
        "/books/cash-flow", "Record a deposit or withdrawal; the password again.",
        books.record_cash_flow, CashFlowBody,
    ),
    _control("/cache/flush", "Drop a cache; it fills again.", controls.flush_cache, CacheBody),
    _control(
        "/alerts/{alert_id}/acknowledge", "Acknowledge an alert.", controls.acknowledge,
        AcknowledgeBody,
    ),
    ApiRoute(
        "GET", f"{PREFIX}/openapi.json", "This description.", Permission.PUBLIC,
        operations.openapi,
    ),
    ApiRoute("GET", "/healthz", "The process answers.", Permission.PUBLIC, operations.healthz),
    ApiRoute("GET", "/metrics", "For Prometheus.", Permission.LOOPBACK, operations.metrics),
    ApiRoute("GET", "/halt", "Emergency halt without script.", Permission.PUBLIC,
        plain_pages.halt_page),
    ApiRoute("GET", "/plain.css", "Style of the plain pages.", Permission.PUBLIC,
        plain_pages.style),
)  # fmt: skip
