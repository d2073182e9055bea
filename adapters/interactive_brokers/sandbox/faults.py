"""Switches that make the sandbox misbehave, one by one or together.

A control plane or a test calls `set`; the parts of the sandbox ask. Counted switches are used up
by `take`. Names that need an act at once (disconnect, notice, restart) call the action hook.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

FaultValue: TypeAlias = bool | int | float | str

DEFAULTS: dict[str, FaultValue] = {
    # Handshake and link.
    "refuse_connections": False,
    "silent_handshake": False,
    "withhold_next_valid_id": False,
    "freeze": False,
    "mute": False,
    "drop_next_orders": 0,
    "empty_accounts": False,
    "slow_answers_seconds": 0.0,
    "restart_down_seconds": 0.0,
    "restart_login_dialog": False,
    "restart_at": "",
    "restart_rolls_back_ids": 0,
    "order_hold_seconds": 0.0,
    "cut_off": False,
    # Requests.
    "swallow_open_order_end": False,
    "swallow_position_end": False,
    "swallow_completed_orders_end": False,
    "swallow_executions_end": False,
    "swallow_current_time": False,
    "what_if_unset_first": False,
    "what_if_never_answered": False,
    "history_error": "",
    "swallow_history": False,
    "read_only": False,
    "order_message": False,
    # Order callbacks.
    "duplicate_callbacks": False,
    "delay_callbacks_seconds": 0.0,
    "reorder_callbacks": False,
    "commission": "after",
    "skip_order_status": False,
    "send_tif_notice": False,
    "correct_next_fills": 0,
    "correction": "price",
    # Order life.
    "reject_next_orders": 0,
    "reject_after_submitted": 0,
    "reject_reason": "The order was refused by the exchange.",
    "inactive_then_live": 0,
    "fill_overtakes_cancel": False,
    "hold_fills": False,
    "fill_quantity_max": 0,
    "child_sizing": "to_fill",
    "child_cancelled_with_rest": False,
    "oca_holds_stop": False,
    "oca_closed_group_rejects": False,
    "oca_cancel_spreads": False,
    "oca_overfills": False,
    # Market data.
    "competing_session": False,
    "drop_bars": False,
    "drop_ticks": False,
    "market_data_type": 1,
    "depth_style": "update",
    "lines_max": 100,
    "not_subscribed": "",
    "frozen_con_id": 0,
    "halted_con_id": 0,
    "quote_style": "normal",
    "skip_bars": 0,
    "pace_bars": False,
    "flip_imbalance": False,
}
CHOICES: dict[str, tuple[str, ...]] = {
    "commission": ("after", "late", "before", "never"),
    "correction": ("price", "quantity"),
    "child_sizing": ("to_fill", "held_until_full", "full_at_once"),
    "depth_style": ("update", "insert_delete"),
    "quote_style": ("normal", "crossed", "empty"),
}
ACTIONS = (
    "disconnect",
    "notice",
    "restart",
    "log_in",
    "farm_blip",
    "bust_bars",
    "reset_depth",
    "lose_depth",
    "stray_ticks",
    "unset_ticks",
    "liquidate",
    "assign",
)
"""freeze reads and does nothing; mute does all that is asked and answers nothing.

disconnect: "fin" or "reset"; notice: a code; restart: ids to roll back; liquidate: conId;
assign: the conId of an option that is short, one contract.

restart_at is a New York time, HH:MM:SS, at which TWS restarts by itself; with restart_down_seconds
it refuses connections for so long (real seconds), and with restart_login_dialog it then takes them
and says nothing until log_in. cut_off: 1100 every two seconds and no data. farm_blip: 2103, 2104,
and bars that are dead from then on. bust_bars: 10225 for each, and they are dead too.
order_hold_seconds: orders take effect so much later, and are lost when TWS restarts before.
restart_rolls_back_ids: how far ids go back at restart_at. not_subscribed: `code:conId` of lines,
comma separated, a code alone for all: 354, 10089, 10090, 10091, 10167 (delayed ticks), 10168.
skip_bars: so many bars are missing. lose_depth sends all levels again on top of the old ones."""


class Faults:
    """The state of all switches."""

    def __init__(self, act: Callable[[str, FaultValue], None]) -> None:
        self._values = dict(DEFAULTS)
        self._act = act

    def set(self, name: str, value: FaultValue = True) -> None:
        """Turn a switch, or do an act.

        Raises:
            LookupError: no such switch.
            ValueError: a value of the wrong kind.
        """
        if name in ACTIONS:
            self._act(name, value)
            return
        if name not in DEFAULTS:
            raise LookupError(f"fault must be one of {self.names()}, was {name!r}")
        default = DEFAULTS[name]
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is int and default is False and value in (0, 1):
            value = bool(value)
        if type(value) is not type(default):
            raise ValueError(f"{name} must be a {type(default).__name__}, was {value!r}")
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {CHOICES[name]}, was {value!r}")
        self._values[name] = value

    def clear(self) -> None:
        self._values = dict(DEFAULTS)

    def names(self) -> tuple[str, ...]:
        return (*DEFAULTS, *ACTIONS)

    def is_on(self, name: str) -> bool:
        return bool(self._values[name])

    def text(self, name: str) -> str:
        return str(self._values[name])

    def number(self, name: str) -> float:
        return float(self._values[name])

    def take(self, name: str) -> bool:
        """True and one less when a counted switch is above zero."""
        left = int(self._values[name])
        if left <= 0:
            return False
        self._values[name] = left - 1
        return True
