"""The last line of a demo run: one JSON object of counts, lags and differences."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from domain.events.publication import Vendor
from domain.events.system import ProcessHeartbeat
from run.config import load_settings
from run.demo import summary
from run.demo.state import DemoState, save
from run.demo.summary import Tally, milliseconds, percentile
from run.projection_lag import worst_p99_seconds
from run.replay import verify
from run.supervisor import Supervisor
from run.workers import WORKERS
from store.contract import Selection
from store.postgres import PostgresStore

APPEND_METRIC = "striketape_append_seconds_bucket"
SHOWN_MAX = 10


def append_p99_seconds(metrics_ports: Iterable[int]) -> float | None:
    """99th percentile over all services' append histograms, the upper end of its bucket."""
    buckets: dict[float, float] = {}
    for port in metrics_ports:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(APPEND_METRIC):
                bound = float(line.partition('le="')[2].partition('"')[0])
                buckets[bound] = buckets.get(bound, 0.0) + float(line.rpartition(" ")[2])
    total = max(buckets.values(), default=0.0)
    if not total:
        return None
    finite = [bound for bound, count in sorted(buckets.items()) if count >= 0.99 * total]
    return finite[0] if finite else None


async def read_log(store: PostgresStore, since: int = 0) -> Tally:
    """The whole log, counted; faults and lags only of what came after `since`."""
    tally = Tally(since=since)
    after = 0
    while page := await store.read(after, Selection(types=summary.TYPES)):
        for event in page:
            tally.apply(event)
        after = page[-1].position
    return tally


async def projection_lag_p99_seconds(store: PostgresStore) -> float | None:
    """99th percentile of the slowest projection's lags, the upper end of its bucket."""
    beats = Selection(types=frozenset({"ProcessHeartbeat"}), streams=("heartbeat/projector",))
    figures: list[Mapping[str, float]] = []
    after = 0
    while page := await store.read(after, beats):
        figures += [e.body.figures for e in page if isinstance(e.body, ProcessHeartbeat)]
        after = page[-1].position
    return worst_p99_seconds(figures)


def logged_errors(folder: Path, offsets: dict[str, int]) -> list[str]:
    """Lines of level error that the services wrote in this run."""
    found: list[str] = []
    for path in sorted((folder / "log").glob("*.log")):
        with path.open("rb") as file:
            file.seek(offsets.get(path.name, 0))
            for line in file:
                if b'"level":"error"' in line or b"Traceback" in line:
                    found.append(f"{path.stem}: {line.decode(errors='replace')[:300].strip()}")
    return found


def log_sizes(folder: Path) -> dict[str, int]:
    """Where this run's lines begin."""
    return {path.name: path.stat().st_size for path in (folder / "log").glob("*.log")}


async def report(
    store: PostgresStore,
    folder: Path,
    state: DemoState,
    supervisor: Supervisor,
    append_p99: float | None,
    failed: str,
    offsets: dict[str, int],
    since: int,
) -> dict[str, Any]:
    """Count, compare and verify; the services have stopped."""
    tally = await read_log(store, since)
    broker, duplicates = summary.compare_broker(
        tally, summary.read_ledger(folder / "market" / "tws" / "tws_ledger.jsonl")
    )
    people, early = summary.compare_people(
        tally, summary.read_ledger(folder / "people" / "people.jsonl")
    )
    settings = load_settings()
    # What a run before compared is only folded now: the state that decides needs it. A position
    # that this log did not have at the start is of another log.
    compared = state.verified if state.verified <= since else 0
    verified = await verify(store, list(WORKERS), settings, after=compared)
    if not verified["differences"]:
        state.verified = min(worker["checkpoint"] for worker in verified["workers"])
        save(folder, state)
    errors = [*tally.faults, *logged_errors(folder, offsets)]
    if failed:
        errors.append(failed)
    errors += [f"{s.name} restarted" for s in supervisor.services.values() if s.starts > 1]
    details = {
        "broker": broker,
        "people": people,
        "early": early,
        "errors": errors,
        "verify": verified if verified["differences"] else {},
    }
    (folder / "summary-details.json").write_text(json.dumps(details, default=str, indent=1))
    for text in [*broker, *people, *early, *errors][:SHOWN_MAX]:
        print(f"demo: {text}", flush=True)
    return {
        "events": await store.head(),
        "signals": tally.signals,
        "decisions": tally.decisions,
        "refused": tally.refused,
        "orders": len(tally.sent),
        "fills": len(tally.fills),
        "round_trips": len(tally.closed),
        "realised_pnl": str(sum(tally.closed.values(), Decimal(0))),
        "discord_messages": tally.messages(Vendor.DISCORD),
        "approvals": tally.approvals,
        "posts": {**tally.messages(Vendor.X), **tally.messages(Vendor.REDDIT)},
        "reports": tally.reports,
        "append_p99_ms": milliseconds(append_p99),
        "tick_to_order_p50_ms": milliseconds(percentile(tally.latencies, 0.5)),
        "tick_to_order_p99_ms": milliseconds(percentile(tally.latencies, 0.99)),
        "projection_lag_p99_ms": milliseconds(await projection_lag_p99_seconds(store)),
        "duplicate_orders": duplicates,
        "early_posts": len(early),
        "ledger_differences": len(broker) + len(people),
        "verify_differences": verified["differences"],
        "errors": len(errors),
        "session_date": state.session_date,
        "seed": state.seed,
        "scenario": state.scenario,
    }
