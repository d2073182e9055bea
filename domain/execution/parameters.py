"""Parameters of execution: ladder, stops, marks and the limits on our own requests.

Joined with the other parts' parameters by domain/parameters.py. Sources name sections of
docs/rules where a number is the rule's, "prior" where it is judgement.
"""

from __future__ import annotations

from domain.parameter import Parameter

_LIST = (
    Parameter("execution.dwell_patient_s", 15.0, "s", "ladder, 6.3", 1.0, 120.0),
    Parameter("execution.dwell_normal_s", 4.0, "s", "ladder, 6.3", 0.5, 60.0),
    Parameter("execution.dwell_urgent_s", 1.5, "s", "ladder, 6.3", 0.25, 15.0),
    Parameter("execution.wait_ticks", 0.5, "ticks", "ladder, 6.3", 0.1, 10.0),
    Parameter("execution.replace_interval_ms", 250.0, "ms", "cancel and replace, 6.4", 250.0, 5e3),
    Parameter("execution.budget_spread_share", 0.5, "share", "slippage budget, 6.2", 0.0, 1.0),
    Parameter("execution.budget_mid_share", 0.05, "share", "slippage budget, 6.2", 0.0, 0.25),
    Parameter("execution.quote_age_s", 2.0, "s", "cancel and replace, 6.4", 0.5, 10.0),
    Parameter("execution.underlying_age_s", 2.0, "s", "quotes, 0.4", 0.5, 10.0),
    Parameter("execution.quote_quiet_s", 10.0, "s", "quotes, 0.4", 2.0, 30.0),
    Parameter("execution.quote_quiet_move", 0.0005, "share", "quotes, 0.4", 0.0, 0.01),
    Parameter("execution.request_s", 5.0, "s", "prior; real time", 1.0, 60.0),
    Parameter("execution.look_every_s", 60.0, "s", "prior; between snapshots", 5.0, 600.0),
    Parameter("execution.look_again_s", 10.0, "s", "prior; while something differs", 1.0, 60.0),
    Parameter("execution.confirm_absence_s", 10.0, "s", "two snapshots agree", 1.0, 120.0),
    Parameter("execution.cash_quiet_s", 240.0, "s", "broker tells it late", 30.0, 900.0),
    Parameter("execution.cash_tolerance_usd", 1.0, "$", "prior; rounding", 0.01, 100.0),
    Parameter("execution.lost_exit_s", 120.0, "s", "prior; a lost exit may yet live", 10.0, 3600.0),
    Parameter("execution.crossing_wait_s", 3.0, "s", "prior; own entry cancelled first", 0.5, 30.0),
    Parameter("execution.disaster_trigger_share", 0.75, "share", "stops, 6.5", 0.2, 0.95),
    Parameter("execution.disaster_limit_share", 0.75, "share", "stops, 6.5", 0.2, 0.99),
    Parameter("execution.disaster_move_s", 5.0, "s", "prior; spares replaces", 0.25, 120.0),
    Parameter("stop.confirm_s", 1.0, "s", "stops, 6.5", 0.0, 30.0),
    Parameter("stop.confirm_next_day_s", 5.0, "s", "overnight stops, 4.5", 0.0, 60.0),
    Parameter("stop.next_day_quiet_s", 60.0, "s", "stops after the open, 6.5", 0.0, 600.0),
    Parameter("stop.next_day_tighten_min", 90.0, "min", "overnight stops, 4.5", 0.0, 390.0),
    Parameter("stop.next_day_tighten_multiple", 1.5, "x credit", "overnight stops, 4.5", 1.0, 4.0),
    Parameter("stop.last_day_before_close_min", 150.0, "min", "overnight stops, 4.5", 0.0, 390.0),
    Parameter("stop.mark_spread_min", 0.05, "$", "marks, 6.5", 0.01, 1.0),
    Parameter("stop.mark_spread_share", 0.10, "share", "marks, 6.5", 0.01, 1.0),
    Parameter("stop.mark_quote_age_s", 10.0, "s", "prior; older quotes give no mark", 1.0, 60.0),
    Parameter("stop.spread_half_life_s", 30.0, "s", "trailing, 6.5", 1.0, 600.0),
    Parameter("stop.trail_floor", 0.05, "$", "trailing, 6.5", 0.01, 1.0),
    Parameter("stop.trail_spreads", 2.0, "spreads", "trailing, 6.5", 0.0, 10.0),
    Parameter("stop.atr_multiple", 3.0, "ATR", "chandelier, 6.5", 1.0, 10.0),
    Parameter("stop.near_strike_sd", 0.1, "sd", "condor stop, 4.4", 0.0, 1.0),
    Parameter("stop.flat_before_close_min", 15.0, "min", "forced flat, 4.4", 5.0, 120.0),
    Parameter("stop.closing_flat_min", 10.0, "min", "closing trade, 4.7", 3.0, 12.0),
    Parameter("stop.flat_crossing_min", 5.0, "min", "forced flat, 4.4", 0.0, 60.0),
    Parameter("stop.flat_market_min", 10.0, "min", "forced flat, 4.4", 0.0, 60.0),
    Parameter("stop.assignment_before_close_min", 30.0, "min", "assignment, 1.6", 0.0, 390.0),
    Parameter("stop.assignment_ahead_min", 10.0, "min", "prior; to be out by then", 0.0, 120.0),
    Parameter("stop.pin_band", 0.0025, "share", "assignment, 1.6", 0.0005, 0.01),
    Parameter("stop.margin_excess_share", 0.10, "share of equity", "exits, 4.9", 0.0, 0.5),
    Parameter("stop.margin_readings", 2.0, "readings", "prior; one may be wrong", 2.0, 10.0),
    Parameter("stop.margin_next_s", 60.0, "s", "prior; until the next position", 5.0, 600.0),
)

PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _LIST}
"""Every parameter of this folder by name."""
