"""The Telegram daemon: presses and commands coming in, each stored before it is confirmed.

It polls by itself: an update is on the log, verbatim and with what it means, before the next poll
confirms it, so that a crash between the two loses no press. It decides nothing; the approval
stage and the risk stage do.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from decimal import Decimal
from typing import Any

from adapters.outcome import VendorUnavailable
from adapters.telegram.bot import TelegramBot
from adapters.telegram.buttons import read_button
from domain.event import DeskEvent, Proposed, derived_id
from domain.events.approvals import (
    ApprovalPressed,
    TelegramCommandReceived,
    TelegramRefused,
    TelegramUpdateReceived,
)
from domain.events.controls import FlattenRequested, HaltRequested, TradeCancelRequested
from domain.events.positions import ExitPlanChangeRequested
from domain.events.system import ProcessHeartbeat
from run.service import Process, command
from run.worker import HEARTBEAT_SECONDS

NEEDS = ("telegram_token", "telegram_chat_id", "publication_secret")
"""Without the key of the buttons anybody could sign one."""
POLL_SECONDS = 10
RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 30.0
UPDATES_STREAM = "telegram/updates"
CONTROL_STREAM = "control/telegram"
HELP = (
    "/halt REASON stops entries; /flatten REASON closes everything; a release needs the page. "
    "/close POSITION REASON closes one; /stop POSITION PRICE REASON and /target POSITION PRICE "
    "REASON change where it is left."
)
_POSITION = re.compile(r"P[0-9a-f]{16}")
_PRICE = re.compile(r"-?\d{1,5}(\.\d{1,2})?")


def trade_request(
    command: str, argument: str, who: str
) -> TradeCancelRequested | ExitPlanChangeRequested | None:
    """A command about one position; None when it is none, or not said in full."""
    position, _, rest = argument.strip().partition(" ")
    if _POSITION.fullmatch(position) is None:
        return None
    if command == "/close":
        return TradeCancelRequested(
            position_id=position,
            signal_id="",
            who=who,
            route="telegram",
            reason=rest.strip() or "no reason given",
        )
    price, _, reason = rest.strip().partition(" ")
    if command not in ("/stop", "/target") or _PRICE.fullmatch(price) is None:
        return None
    return ExitPlanChangeRequested(
        position_id=position,
        stop_price=Decimal(price) if command == "/stop" else None,
        target_price=Decimal(price) if command == "/target" else None,
        time_stop_at=None,
        who=who,
        route="telegram",
        reason=reason.strip() or "no reason given",
    )


class Intake:
    """Turns updates into events and keeps the offset."""

    def __init__(self, process: Process, bot: TelegramBot) -> None:
        self._process = process
        self._bot = bot
        self._secret = process.settings.publication_secret.get_secret_value().encode()
        self._allowed = frozenset(process.settings.telegram_allowed_users)
        self._chat_id = process.settings.telegram_chat_id
        self.updates = 0

    async def run(self) -> None:
        """Poll until cancelled; a vendor that is down is asked again ever more slowly."""
        offset = await self._next_offset()
        wait = RETRY_SECONDS
        while True:
            try:
                updates = await self._bot.updates(offset, POLL_SECONDS)
            except VendorUnavailable as error:
                self._process.log.warning("telegram unavailable", code=error.vendor_code)
                await asyncio.sleep(wait)
                wait = min(2 * wait, RETRY_SECONDS_MAX)
                continue
            wait = RETRY_SECONDS
            for update_id, text in updates:
                await self._store(update_id, text)
                offset = update_id + 1

    async def _next_offset(self) -> int:
        known = await self._process.store.read_stream(UPDATES_STREAM)
        ids = [e.body.update_id for e in known if isinstance(e.body, TelegramUpdateReceived)]
        return max(ids) + 1 if ids else 0

    async def _store(self, update_id: int, text: str) -> None:
        """The update and what it means in one transaction; a repeat of it changes nothing."""
        self.updates += 1
        update: dict[str, Any] = json.loads(text)
        kind = "callback_query" if "callback_query" in update else "message"
        identity = derived_id("telegram", update_id)
        received = TelegramUpdateReceived(update_id=update_id, kind=kind, payload=text)
        recorder = self._process.recorder
        events: list[Proposed] = [recorder.propose(UPDATES_STREAM, received, event_id=identity)]
        for index, (stream, body) in enumerate(self._meaning(update_id, update)):
            events.append(
                recorder.propose(
                    stream,
                    body,
                    event_id=derived_id("telegram", update_id, index),
                    causation_id=identity,
                    correlation_id=identity,
                )
            )
        await recorder.append(events)
        if kind == "message" and len(events) > 1 and "/help" in text:
            await self._bot.send(self._chat_id, HELP)

    def _meaning(self, update_id: int, update: dict[str, Any]) -> list[tuple[str, DeskEvent]]:
        source = update.get("callback_query") or update.get("message") or {}
        sender = source.get("from") or {}
        user_id = int(sender.get("id", 0))
        if user_id not in self._allowed:
            refused = TelegramRefused(
                update_id=update_id, user_id=user_id, reason="user is not on the list"
            )
            return [("telegram/refused", refused)]
        name = str(sender.get("username") or sender.get("first_name") or user_id)
        if "callback_query" in update:
            return [self._press(update_id, update["callback_query"], user_id, name)]
        return self._command(str(source.get("text", "")), user_id, name)

    def _press(
        self, update_id: int, query: dict[str, Any], user_id: int, name: str
    ) -> tuple[str, DeskEvent]:
        message = query.get("message") or {}
        chat_id = int((message.get("chat") or {}).get("id", 0))
        button = read_button(self._secret, str(query.get("data", "")))
        if button is None or chat_id != self._chat_id:
            reason = "forged or foreign button" if button is None else "another chat"
            refused = TelegramRefused(update_id=update_id, user_id=user_id, reason=reason)
            return "telegram/refused", refused
        pressed = ApprovalPressed(
            approval_id=button.approval_id,
            revision=button.revision,
            verb=button.verb,
            user_id=user_id,
            user_name=name,
            callback_id=str(query.get("id", "")),
            chat_id=chat_id,
            message_id=int(message.get("message_id", 0)),
        )
        return "telegram/presses", pressed

    def _command(self, text: str, user_id: int, name: str) -> list[tuple[str, DeskEvent]]:
        command, _, argument = text.strip().partition(" ")
        received = TelegramCommandReceived(
            command=command,
            argument=argument,
            user_id=user_id,
            user_name=name,
            chat_id=self._chat_id,
        )
        events: list[tuple[str, DeskEvent]] = [("telegram/commands", received)]
        reason = argument.strip() or "no reason given"
        if command == "/halt":
            halt = HaltRequested(who=name, route="telegram", reason=reason)
            events.append((CONTROL_STREAM, halt))
        elif command == "/flatten":
            flatten = FlattenRequested(who=name, route="telegram", reason=reason)
            events.append((CONTROL_STREAM, flatten))
        else:
            trade = trade_request(command, argument, name)
            if trade is not None:
                events.append((CONTROL_STREAM, trade))
        return events

    async def beat(self) -> None:
        """Say every two seconds that the daemon is alive."""
        while True:
            heartbeat = ProcessHeartbeat(
                process="telegram",
                run_id=self._process.run_id,
                state="running",
                position=0,
                figures={"updates": float(self.updates)},
            )
            await self._process.recorder.record("heartbeat/telegram", heartbeat)
            await asyncio.sleep(HEARTBEAT_SECONDS)


async def main(process: Process) -> None:
    """Poll and beat until the process is asked to stop."""
    settings = process.settings
    bot = TelegramBot(
        settings.telegram_url, settings.telegram_token.get_secret_value(), settings.mode
    )
    intake = Intake(process, bot)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(intake.run(), name="telegram.poll")
            tasks.create_task(intake.beat(), name="telegram.heartbeat")
    finally:
        await bot.close()


if __name__ == "__main__":
    sys.exit(
        command("telegram", main, __doc__, reads=("telegram_", "publication_secret"), needs=NEEDS)
    )
