"""The scripted operator of a timed demo: presses the buttons a person would press.

Approvals are pressed on the Telegram sandbox; halt and release go through the API with a log-in,
as from the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import aiohttp

from domain.events.approvals import ApprovalPrompted
from store.contract import EventStore, Selection

PRESS_TIMEOUT_SECONDS = 5.0


class Operator:
    """Approves every prompt it sees; `halt_and_release` shows the switch."""

    def __init__(
        self,
        store: EventStore,
        http: aiohttp.ClientSession,
        people_control: str,
        api: str,
        password: str,
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._http = http
        self._people = people_control
        self._api = api
        self._password = password
        self._say = say

    async def approve_all(self) -> None:
        """Press Approve on every prompt; never returns."""
        prompts = Selection(types=frozenset({"ApprovalPrompted"}))
        async for events, _ in self._store.subscribe(await self._store.head(), prompts):
            for event in events:
                assert isinstance(event.body, ApprovalPrompted)
                await self._press(event.body)

    async def _press(self, prompt: ApprovalPrompted) -> None:
        press = {"message_id": prompt.message_id, "verb": "approve"}
        async with self._http.post(f"{self._people}/_sim/telegram/press", json=press) as answer:
            if answer.status != 200:
                self._say(f"press refused: {answer.status} {(await answer.text())[:200]}")

    async def halt_and_release(self) -> bool:
        """Halt trading through the API, then release it; True when both took effect."""
        try:
            return await self._halt_and_release()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._say(f"the API does not answer: {error}")
            return False

    async def _halt_and_release(self) -> bool:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as page:
            login = {"name": "operator", "password": self._password}
            async with page.post(f"{self._api}/api/v1/login", json=login) as answer:
                if answer.status != 200:
                    self._say(f"log-in refused: {answer.status} {(await answer.text())[:200]}")
                    return False
                token = (await answer.json())["csrf_token"]
            headers = {"X-CSRF": token, "Idempotency-Key": uuid4().hex}
            body = {"reason": "the demo shows the halt switch"}
            halted = await self._control(page, "halt", headers, body)
            await asyncio.sleep(0.5)
            headers["Idempotency-Key"] = uuid4().hex
            released = await self._control(
                page, "release", headers, {**body, "password": self._password}
            )
            return halted and released

    async def _control(
        self,
        page: aiohttp.ClientSession,
        name: str,
        headers: dict[str, str],
        body: dict[str, str],
    ) -> bool:
        timeout = aiohttp.ClientTimeout(total=PRESS_TIMEOUT_SECONDS)
        async with page.post(
            f"{self._api}/api/v1/{name}", json=body, headers=headers, timeout=timeout
        ) as answer:
            text = await answer.text()
            if answer.status not in (200, 202):
                self._say(f"{name} refused: {answer.status} {text[:200]}")
            return answer.status in (200, 202)
