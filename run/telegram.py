"""The Telegram daemon: presses and commands coming in, each stored before it is confirmed.

It polls by itself: an update is on the log, verbatim and with what it means, before the next poll
confirms it, so that a crash between the two loses no press. It decides nothing; the approval
stage and the stages of the trader do. What became of a command, or how it is said, is answered
beside the polling.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from uuid import UUID

from adapters.outcome import VendorUnavailable
from adapters.telegram.bot import TelegramBot
from adapters.telegram.buttons import read_button
from adapters.telegram.text import escaped
from api.decision import decision
from domain.event import DeskEvent, Proposed, derived_id
from domain.events.approvals import (
    ApprovalPressed,
    TelegramCommandReceived,
    TelegramRefused,
    TelegramUpdateReceived,
)
from domain.events.controls import ControlRefused
from domain.events.system import ProcessHeartbeat
from run.service import Process, command
from run.telegram_commands import Request, Said, deciders, understood
from run.worker import HEARTBEAT_SECONDS
from store.errors import StoreError

NEEDS = ("telegram_token", "telegram_chat_id", "publication_secret")
"""Without the key of the buttons anybody could sign one."""
POLL_SECONDS = 10
RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 30.0
UPDATES_STREAM = "telegram/updates"
CONTROL_STREAM = "control/telegram"
ANSWERS_MAX = 20
"""Answers under way at once; a command beyond them is on the log and gets none."""
ANSWER_SECONDS_MAX = 5.0


class Intake:
    """Turns updates into events and keeps the offset."""

    def __init__(self, process: Process, bot: TelegramBot) -> None:
        self._process = process
        self._bot = bot
        self._secret = process.settings.publication_secret.get_secret_value().encode()
        self._allowed = frozenset(process.settings.telegram_allowed_users)
        self._chat_id = process.settings.telegram_chat_id
        self._answers = asyncio.TaskGroup()
        self._answering = 0
        self.updates = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        async with self._answers:
            await self._poll()

    async def _poll(self) -> None:
        """A vendor that is down is asked again ever more slowly."""
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
        said = self._said(update)
        for index, (stream, body) in enumerate(self._meaning(update_id, update, said)):
            events.append(
                recorder.propose(
                    stream,
                    body,
                    event_id=derived_id("telegram", update_id, index),
                    causation_id=identity,
                    correlation_id=identity,
                )
            )
        appended = await recorder.append(events)
        if said is not None:
            self._begin_answer(said, events[-1].event_id, appended.positions[-1])

    def _begin_answer(self, said: Said, event_id: UUID, position: int) -> None:
        """Beside the polling: the next press must not wait for an answer to this command."""
        if self._answering >= ANSWERS_MAX:
            self._process.log.warning("a command gets no answer: too many are waited for")
            return
        self._answering += 1
        self._answers.create_task(
            self._answer(said, event_id, position), name=f"telegram.answer-{position}"
        )

    async def _answer(self, said: Said, event_id: UUID, position: int) -> None:
        try:
            text = said.reply
            if said.request is not None:
                text = await self._outcome(said.request, event_id, position)
            await self._bot.send(self._chat_id, escaped(text))
        except (StoreError, OSError) as error:
            # The command is on the log and acts; only its answer is lost.
            self._process.log.warning("a command got no answer", error=str(error))
        finally:
            self._answering -= 1

    async def _outcome(self, request: Request, event_id: UUID, position: int) -> str:
        """What the desk made of a command, in words."""
        named = type(request).__name__
        found = await decision(
            self._process.store, event_id, position, deciders(request), ANSWER_SECONDS_MAX
        )
        if found is None:
            return f"{named} is on the log; the trader has not answered yet. The page shows it."
        if isinstance(found.body, ControlRefused):
            return f"Refused: {found.body.reason}"
        return f"Done: {found.type}"

    def _said(self, update: dict[str, Any]) -> Said | None:
        """A text from somebody on the list; strangers get no answer."""
        message = update.get("message")
        if message is None or int((message.get("from") or {}).get("id", 0)) not in self._allowed:
            return None
        text = str(message.get("text", ""))
        return understood(text, _name(message["from"])) if text.strip() else None

    def _meaning(
        self, update_id: int, update: dict[str, Any], said: Said | None
    ) -> list[tuple[str, DeskEvent]]:
        source = update.get("callback_query") or update.get("message") or {}
        sender = source.get("from") or {}
        user_id = int(sender.get("id", 0))
        if user_id not in self._allowed:
            refused = TelegramRefused(
                update_id=update_id, user_id=user_id, reason="user is not on the list"
            )
            return [("telegram/refused", refused)]
        if "callback_query" in update:
            return [self._press(update_id, update["callback_query"], user_id, _name(sender))]
        return [] if said is None else self._command(said, user_id, _name(sender))

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

    def _command(self, said: Said, user_id: int, name: str) -> list[tuple[str, DeskEvent]]:
        received = TelegramCommandReceived(
            command=said.command,
            argument=said.argument,
            user_id=user_id,
            user_name=name,
            chat_id=self._chat_id,
        )
        events: list[tuple[str, DeskEvent]] = [("telegram/commands", received)]
        if said.request is not None:
            events.append((CONTROL_STREAM, said.request))
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


def _name(sender: dict[str, Any]) -> str:
    return str(sender.get("username") or sender.get("first_name") or sender.get("id", 0))


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
