"""Makes docs/performance.md from the JSON lines of the benchmarks; nothing in it is by hand.

`python -m benchmarks` calls it after each run. A figure whose benchmark has not run yet, or could
not, stands there as not measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.jsonl"
PAGE = ROOT / "docs" / "performance.md"
Line: TypeAlias = dict[str, Any]
Found: TypeAlias = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: a figure with its goal, and what is shown beside it."""

    title: str
    goal: str
    figure: str
    beside: tuple[tuple[str, str], ...] = ()
    """(words, figure)."""
    held_back: str = ""
    """What keeps the figure from its goal, and what was tried; shown while it is missed."""


ROWS = (
    Row(
        "append, batches of 1,000 ticks over 50 streams",
        "70 % of COPY into the floor table",
        "append.batch_of_copy",
        (("log", "append.batch"), ("COPY", "append.copy"), ("UmaDB", "umadb.batches_1000_theirs")),
        "Of about 18 us of CPU an event 8 are the client's (COPY: 4), 10 the server's (COPY: 7.5); "
        "16.5 in all would do. The client encodes JSON and a digest (2 us) and the row; the server "
        "writes beyond the floor's row an id that is unique over all days, and keeps streams, "
        "checkpoints and commits. Tried: thirty arrays (28 us), jsonb (40 % slower), two groups "
        "under way at once (each flush then carries half).",
    ),
    Row(
        "append, one event a transaction, NOTIFY included: p50",
        "1.5x a plain durable INSERT",
        "append.single_of_insert",
        (("log", "append.single_p50"), ("INSERT", "append.insert_p50")),
        "An INSERT of the floor writes a row and two entries of indexes; an event adds its id, the "
        "version of its stream, its commit and the bell, under the lock of the log. The slower the "
        "flush, the smaller the ratio. Tried: scalars in place of arrays (2.1x before), the leaf "
        "of the day written directly, settings of the planner in the session.",
    ),
    Row(
        "64 concurrent producers of single events",
        "12x one connection's INSERTs",
        "append.producers_64_of_insert",
        (
            ("log", "append.producers_64"),
            ("eventsourcing", "eventsourcing.producers_64_theirs"),
            ("UmaDB", "umadb.producers_64_theirs"),
        ),
        "One Python process spends 16 us of CPU an event on futures, encoding and the group, then "
        "waits for the server's 15 us and the flush. Where a flush took 5 ms it was 22 to 30x, "
        "because a group then carries all 64. Tried: two groups under way at once.",
    ),
    Row(
        "64 concurrent producers: p99",
        "3 commits",
        "append.producers_64_p99",
        (("p50", "append.producers_64_p50"), ("a commit", "append.insert_p50")),
        "It contradicts the goal above: by Little's law 64 producers in a closed loop at 12x wait "
        "5.3 commits on average.",
    ),
    Row(
        "eventsourcing's recorder, table lock: singles",
        "3x",
        "eventsourcing.singles_ratio",
        held_back="Three times the recorder's rate would be faster than a plain durable INSERT of "
        "one row, which is the floor of anything that waits for its flush.",
    ),
    Row(
        "the same, batches of 500",
        "3x",
        "eventsourcing.batches_500_ratio",
        held_back="Three times the recorder would be about COPY into the floor table without ids, "
        "digests, streams or checkpoints. The recorder writes one row and one index entry an event "
        "less than this log.",
    ),
    Row("the same, 64 producers", "15x", "eventsourcing.producers_64_ratio"),
    Row("UmaDB: 16 producers of single events", "1x", "umadb.producers_16_ratio"),
    Row("the same, 64 producers", "1x", "umadb.producers_64_ratio"),
    Row(
        "the same, batches of 1,000",
        "a third",
        "umadb.batches_1000_ratio",
        held_back="A third of UmaDB's rate is from 70 to 100 % of COPY into the floor table, by "
        "the run: the first goal again or more, with the same limits.",
    ),
    Row(
        "tail poll with 730 daily partitions",
        "2x of one with 10",
        "tail_poll.many_of_few",
        (("730", "tail_poll.many_p50"), ("10", "tail_poll.few_p50")),
    ),
    Row(
        "gaps seen by readers behind four producers",
        "none in 5 million",
        "order.gaps",
        (("of", "order.events"), ("eventsourcing's fast mode lost", "order_peer.fast_lost")),
    ),
    Row("reorderings seen by them", "none in 5 million", "order.reorderings"),
    Row(
        "catch-up read, envelope typed",
        "50 % of a raw asyncpg fetch",
        "catch_up.envelope_of_raw",
        (("log", "catch_up.envelope"), ("raw", "catch_up.raw"), ("all typed", "catch_up.typed")),
    ),
    Row(
        "replay of a day into full state, a million events",
        "20 s",
        "replay_day.million",
        (("of", "replay_day.events"),),
    ),
    Row("the same: memory above the start", "100 MB", "replay_day.memory"),
    Row(
        "state at T, worst of 20", "1 s at 10 million events", "ask.state", (("of", "ask.events"),)
    ),
    Row("why ID, worst of 20", "100 ms at 10 million events", "ask.why", (("of", "ask.events"),)),
    Row(
        "bytes a tick in Postgres, all tables",
        "1.5x of the floor table",
        "size.of_floor",
        (("log", "size.tick"), ("floor", "size.floor")),
    ),
    Row("append beside pg_dump and a long snapshot: singles", "1.3x", "open_snapshot.single_ratio"),
    Row("the same, batches of 1,000", "1.3x", "open_snapshot.batch_ratio"),
    Row("Parquet archive: bytes", "a tenth of Postgres", "archive.bytes_of_log"),
    Row("replay from the archive", "1x of Postgres", "archive.replay_of_log"),
    Row(
        "a payload of an option trade to a typed value, one core",
        "150,000/s",
        "decode.option_trades",
        (("gex_strike_expiry", "decode.gex_strike_expiry"), ("price", "decode.price")),
    ),
    Row(
        "volatilities and all greeks of 10,506 contracts, one core",
        "15 ms",
        "pricing.chain.10506",
        (("inversion", "pricing.implied_vol.10506"), ("greeks", "pricing.greeks.10506")),
    ),
    Row("gamma profile, flip and walls of 10,404 contracts", "25 ms", "pricing.exposure.10404"),
    Row(
        "a sandbox day through all stages again, decisions compared: a million events, one core",
        "90 s",
        "stages_day.million",
        (("of", "stages_day.events"), ("processor time an event", "stages_day.cpu")),
    ),
    Row(
        "receipt to durable, 5,000 messages/s of both vendors for 60 s: p99",
        "100 ms",
        "feeds.durable_p99",
        (("messages", "feeds.rate"), ("p99 to the log's clock", "feeds.on_log_p99")),
    ),
    Row("the same: messages lost", "none", "feeds.lost"),
    Row(
        "the same: growth of the queues",
        "none (1,000 messages)",
        "feeds.queue_growth",
        (("longest", "feeds.queue_max"),),
    ),
    Row(
        "the same: growth of memory",
        "none (10 MB)",
        "feeds.memory_growth",
        (("largest", "feeds.memory"),),
    ),
    Row(
        "burst of 20,000 messages/s for 10 s: lost",
        "none",
        "feeds.burst_lost",
        (
            ("messages", "feeds.burst_rate"),
            ("dropped by the vendor", "feeds.burst_dropped"),
            ("longest queue", "feeds.burst_queue_max"),
        ),
    ),
    Row(
        "typed tables behind the log: p99",
        "500 ms at 2,000 feed events/s",
        "projected.feed_p99",
        (("messages", "projected.rate"),),
    ),
    Row("hot state behind the log: p99", "the same", "projected.hot_p99"),
    Row("seal", "200,000 events/s", "seal.rate"),
    Row("verify", "200,000 events/s", "verify.rate"),
    Row(
        "closed bar on the log to every decision about signals on the log: p50",
        "15 ms at 2,000 feed events/s",
        "decide.p50",
        (("last of three symbols", "decide.last_p50"), ("floor", "latency.exit_floor_p50")),
        held_back="Three symbols close at once and follow each other in one process, for 2.7 ms of "
        "a core each. From 5 ms before such a bar to 35 after it the two cores run 70 of the 80 ms "
        "they have, by the scheduler's count: signals 20, trader 12, the server 14, feeds 7, the "
        "vendors' side of this benchmark 6, projections and Valkey 6. So 2.7 ms of computing last "
        "from 3.8 to 5.3, and a commit of five events, 0.6 ms alone, lasts 7: the server's "
        "processes wait twice as long as they run.",
    ),
    Row("the same: p99", "50 ms", "decide.p99"),
    Row(
        "confirming stop quote to exit order, wire to wire: p50",
        "10 ms at 2,000 feed events/s",
        "latency.exit_p50",
        (("feeds", "latency.rate"), ("floor", "latency.exit_floor_p50")),
    ),
    Row(
        "the same: p99",
        "40 ms",
        "latency.exit_p99",
        (("floor", "latency.exit_floor_p99"),),
    ),
    Row(
        "the same: p50 of the floor",
        "3x",
        "latency.exit_of_floor",
        held_back="Three hops of a commit, a wake-up and a page each, where the floor has two "
        "without a page; the trader computes for 1.4 ms and sends when its commit is back. Tried: "
        "sending the next exit beside the commit of the one before; a life of the simulation in "
        "which the trader died between the two then sold a combination twice.",
    ),
    Row(
        "closing bar to long-only entry order, wire to wire: p50",
        "30 ms at 2,000 feed events/s",
        "latency.entry_p50",
        (("first of its bar", "latency.entry_first_p50"), ("floor", "latency.entry_floor_p50")),
        held_back="The hops of the bar's decision (above), then those of the trader: woken 5 ms "
        "after the signal is written, 2.7 ms of risk and orders, a commit of 7. Three signals come "
        "from one bar, and signals and trader share two cores with the server while they follow "
        "each other. The floor is three commits of one row between processes that compute nothing "
        "and read nothing.",
    ),
    Row(
        "the same: p99",
        "100 ms",
        "latency.entry_p99",
        (("floor", "latency.entry_floor_p99"),),
    ),
    Row("the same: p50 of the floor", "3x", "latency.entry_of_floor"),
)

_HEAD = """# Performance

Made by `make bench` from benchmarks/results.jsonl; never edited by hand. PostgreSQL runs with full
durability on the machine of the run. Contenders take turns in rounds, a value is a median, a ratio
the median of the ratios of single rounds. The floor is benchmarks/floor.sql: the envelope as plain
columns, day partitions, two indexes. A commit is the p50 of the same run's plain durable INSERT.
Every machine gives other values; ratios travel.
"""


def read_results(path: Path = RESULTS) -> list[Line]:
    """The lines kept, by name of the benchmark."""
    if not path.exists():
        return []
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    return sorted(lines, key=lambda line: str(line["bench"]))


def keep(line: Line, path: Path = RESULTS) -> None:
    """Take a line in, in place of the one that its benchmark gave before."""
    kept = [other for other in read_results(path) if other["bench"] != line["bench"]]
    kept.append(line)
    kept.sort(key=lambda other: str(other["bench"]))
    path.write_text("".join(json.dumps(line) + "\n" for line in kept))


def shown(figure: dict[str, Any] | None) -> str:
    """A value with its unit, as short as it can be read."""
    if figure is None or figure.get("value") is None:
        return "not measured"
    value = figure["value"]
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {figure.get('unit', '')}".strip()


def page(lines: Sequence[Line]) -> str:
    """The text of docs/performance.md."""
    found: Found = {f["name"]: f for line in lines for f in line["figures"]}
    parts = [_HEAD, "## Figures and goals\n", _goals(found), _held_back(found)]
    for line in lines:
        parts += [f"## {line['bench']}\n", _about(line), _all(line)]
    return "\n".join(parts)


def _goals(found: Found) -> str:
    rows = ["| figure | goal | measured | reached | beside it |", "| --- | --- | --- | --- | --- |"]
    for row in ROWS:
        figure = found.get(row.figure)
        reached = {True: "yes", False: "no", None: ""}[(figure or {}).get("is_met")]
        beside = ", ".join(f"{words} {shown(found.get(name))}" for words, name in row.beside)
        rows.append(f"| {row.title} | {row.goal} | {shown(figure)} | {reached} | {beside} |")
    return "\n".join(rows) + "\n"


def _held_back(found: Found) -> str:
    missed = [row for row in ROWS if row.held_back and _is_missed(found.get(row.figure))]
    if not missed:
        return ""
    parts = ["## What holds back what is missed\n"]
    parts += [
        fill(f"- {row.title}. {row.held_back}", 100, subsequent_indent="  ") for row in missed
    ]
    return "\n".join(parts) + "\n"


def _is_missed(figure: dict[str, Any] | None) -> bool:
    return figure is not None and figure.get("is_met") is False


def _about(line: Line) -> str:
    sizes = ", ".join(f"{name} {size:,}" for name, size in line["given"].items())
    return (
        f"{line['at']}, {line['seconds']:.0f} s, {line['cpus']} CPUs at load {line['load']}"
        f"{f'; {sizes}' if sizes else ''}.\n"
    )


def _all(line: Line) -> str:
    rows = ["| name | value | note |", "| --- | --- | --- |"]
    rows += [f"| {f['name']} | {shown(f)} | {f.get('note', '')} |" for f in line["figures"]]
    return "\n".join(rows) + "\n"


def write(results: Path = RESULTS, target: Path = PAGE) -> None:
    target.write_text(page(read_results(results)))


if __name__ == "__main__":
    write()
