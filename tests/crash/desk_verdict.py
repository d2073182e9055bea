"""Log and ledgers compared after a crash run: everything that is not as it must be, in words.

The sandboxes' ledgers on disk are the oracle: what reached the broker and the people vendors.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from domain.event import Recorded
from domain.events.orders import FillRecorded, IntentSent, OrderChanged, OrderIntended, Purpose
from domain.events.positions import PositionChanged
from domain.events.publication import DeliveryEscalated
from run.build import ROOT
from run.demo import summary
from run.demo.report import read_log
from run.workers import WORKERS
from store.contract import Selection
from store.postgres import PostgresStore

TYPES = frozenset(
    {
        "OrderIntended",
        "OrderChanged",
        "IntentSent",
        "FillRecorded",
        "PositionChanged",
        "PositionAdjusted",
        "DeliveryEscalated",
    }
)


async def differences(store: PostgresStore, folder: Path) -> list[str]:
    """What log and ledgers disagree on, and what is left undone; empty at rest."""
    tally = await read_log(store)
    broker = list(summary.read_ledger(folder / "market" / "tws" / "tws_ledger.jsonl"))
    people = list(summary.read_ledger(folder / "people" / "people.jsonl"))
    wrongs, doubled = summary.compare_broker(tally, broker)
    if doubled:
        wrongs.append(f"{doubled} orders are at the broker twice")
    undelivered, early = summary.compare_people(tally, people)
    wrongs += [*undelivered, *early]
    [newest] = await store.read(await store.head() - 1, limit=1)
    waiting = tally.scheduled.keys() - tally.confirmed.keys() - tally.ended
    due = [name for name in waiting if tally.scheduled[name].due_at <= newest.market_time]
    wrongs += [f"delivery {name} did not arrive" for name in sorted(due)]
    log = await _read(store)
    wrongs += _orders(log)
    wrongs += _fills(log)
    wrongs += _positions(log, broker)
    wrongs += _messages(people)
    return wrongs + [
        f"delivery {event.body.delivery_id} was left to the operator"
        for event in log
        if isinstance(event.body, DeliveryEscalated)
    ]


async def decided_differently(environment: Mapping[str, str]) -> list[str]:
    """Every decision made again, from the log alone, as an operator would ask for it."""
    verify = (sys.executable, "-m", "run.replay", "verify-decisions", "--json", "--worker")

    async def one(name: str) -> list[str]:
        process = await asyncio.create_subprocess_exec(
            *verify, name, cwd=ROOT, env={**os.environ, **environment}, stdout=PIPE, stderr=PIPE
        )
        out, err = await process.communicate()
        if process.returncode == 0:
            return []
        return [f"{name} decides differently: {out.decode()[:2_000]} {err.decode()[-500:]}"]

    found = await asyncio.gather(*(one(name) for name in WORKERS))
    return [text for texts in found for text in texts]


async def _read(store: PostgresStore) -> list[Recorded]:
    log: list[Recorded] = []
    while page := await store.read(log[-1].position if log else 0, Selection(types=TYPES)):
        log += page
    return log


def _orders(log: Iterable[Recorded]) -> list[str]:
    """Each intent once, its bytes at most once, one entry a decision, and no doubt is left."""
    intents: Counter[str] = Counter()
    ids: Counter[int] = Counter()
    places: Counter[str] = Counter()
    entries: Counter[str] = Counter()
    state: dict[str, str] = {}
    for event in log:
        match event.body:
            case OrderIntended() as body:
                intents[body.order_ref] += 1
                ids[body.order_id] += 1
                if body.purpose is not Purpose.WHAT_IF:
                    state[body.order_ref] = "intended"
                entries[body.decision_id] += body.purpose is Purpose.ENTRY
            case IntentSent(request="place") as body:
                places[body.order_ref] += 1
            case OrderChanged() as body:
                state[body.order_ref] = body.state.value
            case _:
                pass
    in_doubt = ("intended", "sent", "unknown", "cancel_requested")
    return [
        *(f"{ref} was intended {n} times" for ref, n in intents.items() if n > 1),
        *(f"order id {n} was used {count} times" for n, count in ids.items() if count > 1),
        *(f"{ref} was sent {n} times" for ref, n in places.items() if n > 1),
        *(f"decision {key} has {n} entries" for key, n in entries.items() if n > 1),
        *(f"{ref} is left {name}" for ref, name in state.items() if name in in_doubt),
    ]


def _fills(log: Iterable[Recorded]) -> list[str]:
    counted = Counter(event.body.exec_id for event in log if isinstance(event.body, FillRecorded))
    return [f"fill {name} was counted {n} times" for name, n in counted.items() if n > 1]


def _positions(log: Iterable[Recorded], broker: Iterable[dict[str, Any]]) -> list[str]:
    """Ours by contract equal the broker's."""
    newest = {e.body.position_id: e.body for e in log if isinstance(e.body, PositionChanged)}
    ours: Counter[int] = Counter()
    for body in newest.values():
        for leg in body.legs:
            ours[leg.con_id] += leg.quantity
    executions: dict[str, dict[str, Any]] = {}
    theirs: Counter[int] = Counter()
    for line in broker:
        if line["kind"] == "execution":
            executions[line["exec_id"].rpartition(".")[0]] = line
        elif line["kind"] == "adjustment":
            theirs[line["con_id"]] += line["quantity"]
    for line in executions.values():
        if line["moves_position"]:
            sign = 1 if line["side"] == "BOT" else -1
            theirs[line["con_id"]] += sign * line["quantity"]
    return [
        f"contract {con_id}: ours {ours[con_id]}, the broker's {theirs[con_id]}"
        for con_id in sorted(ours.keys() | theirs.keys())
        if ours[con_id] != theirs[con_id]
    ]


def _messages(people: Iterable[dict[str, Any]]) -> list[str]:
    """Nothing that the public sees was made twice with the same words."""
    same: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for line in people:
        if line["is_effect"] and (line["vendor"], line["kind"]) in summary.CREATED:
            key = (line["vendor"], line["channel"], line["content_sha256"])
            same[key].append(line["remote_id"])
    return [
        f"{key[0]} {key[1]} has {ids} with the same content"
        for key, ids in same.items()
        if len(ids) > 1
    ]
