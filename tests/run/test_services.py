"""Each service as a real process: it comes up, shows its figures, logs JSON, and ends when asked.

All run side by side, once, against a database and a Valkey of their own and the sandboxes.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from run.embedded import EmbeddedPostgres, EmbeddedValkey, free_port
from run.metrics_page import names
from run.services import SERVICES
from store.migrate import migrate
from tests.run.service_processes import Life, RunningDesk, begin, until

END_SECONDS_MAX = 25.0
"""Whoever ends at all: all at once beside much other work took 8 s, as long as the supervisor
gives them."""
PROCESSES = ("watchdog", *(name for name, _ in SERVICES))
STANDARD = {
    "striketape_append_seconds",
    "striketape_events_appended",
    "striketape_append_waits",
    "striketape_log_lines",
    "process_resident_memory_bytes",
    "process_cpu_seconds",
    "python_info",
}
OWN = {
    "feeds": {"striketape_feed_messages", "striketape_feed_rejected", "striketape_feed_up"},
    "signals": {"striketape_inputs", "striketape_lag_seconds", "striketape_step_seconds"},
    "trader": {"striketape_inputs", "striketape_order_states", "striketape_broker_connected"},
    "outbox": {"striketape_deliveries", "striketape_queue_depth"},
    "projector": {
        "striketape_projection_lag_seconds",
        "striketape_projection_lag_events",
        "striketape_redis_up",
        "striketape_redis_used_memory_bytes",
        "striketape_redis_keys",
    },
}


@pytest.fixture(scope="module")
def database(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as owner:
        owner.execute("CREATE DATABASE services")
        asyncio.run(migrate(postgres_server.dsn("services")))
        yield postgres_server.dsn("services")
        owner.execute("DROP DATABASE services WITH (FORCE)")


@pytest.fixture(scope="module")
def refused(
    database: str, valkey_server: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Life]]:
    """Processes that do not get the port they want, or a setting."""
    folder = tmp_path_factory.mktemp("refused")
    settings = {
        "DATABASE_URL": database,
        "REDIS_URL": valkey_server.url(),
        "STRIKETAPE_VAR_DIR": str(folder),
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        api = {**settings, "STRIKETAPE_API_PORT": port}
        keeper = {**settings, "STRIKETAPE_METRICS_PORT": port}
        free = ["--tws-port", str(free_port()), "--control-port", str(free_port())]
        market = ["run.sandbox_market", "--uw-port", port, *free, "--state-dir", str(folder)]
        lives = {
            "api": begin(folder, "api", ["run.api"], api),
            "keeper": begin(folder, "keeper", ["run.keeper"], keeper),
            "market": begin(folder, "market", market, {}),
            "unset": begin(folder, "unset", ["run.signals"], {"DATABASE_URL": database}),
        }
        try:
            yield lives
        finally:
            for life in lives.values():
                life.process.kill()
                life.process.wait()


@pytest.fixture(scope="module")
def desk(
    database: str,
    refused: dict[str, Life],
    valkey_server: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunningDesk:
    """The whole life of the services; `refused` starts and ends beside them."""
    made = RunningDesk(tmp_path_factory.mktemp("services"), database, valkey_server.url())
    try:
        made.start()
        made.await_ready()
    finally:
        made.end()
    return made


def service_of(process: str) -> str:
    return "trader" if process == "watchdog" else process


@pytest.mark.parametrize("process", PROCESSES)
def test_a_scrape_parses_and_has_the_standard_names(desk: RunningDesk, process: str) -> None:
    text = desk.lives[service_of(process)].metrics[process]
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert found.keys() >= STANDARD | OWN.get(process, set())
    for family in found.values():
        assert family.documentation or family.name.startswith(("process_", "python_")), family.name


def test_the_page_has_every_name_that_is_scraped(desk: RunningDesk) -> None:
    scraped = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for life in desk.lives.values()
        for text in life.metrics.values()
        for family in text_string_to_metric_families(text)
        if family.name.startswith("striketape_")
    }
    assert scraped == set(names())


def test_a_scrape_shows_what_happened(desk: RunningDesk) -> None:
    shown: dict[tuple[str, str], float] = {}
    for life in desk.lives.values():
        for process, text in life.metrics.items():
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name == "striketape_events_appended_total":
                        shown[process, "appended"] = sample.value
                    elif sample.name in ("striketape_redis_up", "striketape_feed_up"):
                        shown[process, sample.name] = sample.value
    assert all(shown[process, "appended"] > 0 for process in PROCESSES)
    assert shown["projector", "striketape_redis_up"] == 1
    assert shown["feeds", "striketape_feed_up"] == 1


@pytest.mark.parametrize("service", [name for name, _ in SERVICES])
def test_every_line_is_one_json_object_with_time_level_and_event(
    desk: RunningDesk, service: str
) -> None:
    life = desk.lives[service]
    entries = [json.loads(line) for line in life.lines]
    said = {entry["event"] for entry in entries}
    assert {"started", "stopped"} <= said
    for entry in entries:
        assert datetime.fromisoformat(entry["timestamp"]).tzinfo is not None
        assert entry["level"] in ("debug", "info", "warning", "error", "critical")
        assert entry["build"] and entry["process"] and entry["mode"] == "sandbox"
    processes = {"watchdog", "trader"} if service == "trader" else {service}
    assert {entry["process"] for entry in entries} == processes
    assert life.complaints == ""


@pytest.mark.parametrize("service", [name for name, _ in SERVICES])
def test_sigterm_ends_it_with_0_within_seconds(desk: RunningDesk, service: str) -> None:
    life = desk.lives[service]
    assert life.process.returncode == 0
    assert life.end_seconds < END_SECONDS_MAX


def test_the_sandboxes_end_too(desk: RunningDesk) -> None:
    assert [life.process.returncode for life in desk.sandboxes.values()] == [0, 0]


def test_a_missing_setting_ends_with_2_and_is_named(
    desk: RunningDesk, refused: dict[str, Life]
) -> None:
    life = refused["unset"]
    assert life.process.wait(timeout=120) == 2
    assert "REDIS_URL must be set, was not; set it in .env" in life.complaints
    assert life.lines == []


def test_a_taken_port_of_the_api_is_named_with_its_remedy(
    desk: RunningDesk, refused: dict[str, Life]
) -> None:
    life = refused["api"]
    assert life.process.wait(timeout=120) == 1
    last = json.loads(life.lines[-1])
    assert last["level"] == "error"
    assert re.search(r"port \d+, was refused: .*set STRIKETAPE_API_PORT to a free port", str(last))


def test_a_taken_port_of_the_metrics_is_named_and_the_work_goes_on(
    desk: RunningDesk, refused: dict[str, Life]
) -> None:
    life = refused["keeper"]
    until(lambda: '"started"' in life.out.read_text(), lambda: life.complaints)
    warning = next(entry for entry in map(json.loads, life.lines) if entry["level"] == "warning")
    assert "set STRIKETAPE_METRICS_PORT to a free port" in warning["event"] and warning["port"]
    assert life.process.poll() is None


def test_a_taken_port_of_a_sandbox_is_named_with_its_remedy(
    desk: RunningDesk, refused: dict[str, Life]
) -> None:
    life = refused["market"]
    assert life.process.wait(timeout=120) == 1
    assert "address already in use" in life.complaints
    assert "give others with --uw-port" in life.complaints


def test_nothing_of_this_machine_is_needed(tmp_path: Path, desk: RunningDesk) -> None:
    """Every address that the services were given is on loopback."""
    addresses = [v for v in desk.environment.values() if "://" in v]
    assert addresses and all("127.0.0.1" in address for address in addresses)
