"""The table of dividends that the operator enters is what the desk goes by."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date
from pathlib import Path

import pytest

from domain.analytics.history import History
from domain.events.feeds import HistoryImported
from domain.events.system import SessionPlanned
from domain.execution.underlying import UnderlyingWatch
from domain.session import Session
from run.config import Settings
from run.dividends import enter, row
from store.postgres import PostgresStore
from tests.domain.execution.execution_build import DAY, session
from tests.store.propose import propose


async def test_a_table_is_there_for_the_session_on_the_log_and_the_next_one_replaces_it(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    planned: SessionPlanned = session()
    await store.append([propose(planned)])
    settings = Settings(_env_file=None, database_url=database_url, redis_url="", var_dir=tmp_path)
    await enter(settings, "SPY", [row("2026-12-18=1.80~")])
    await enter(settings, "SPY", [row("2027-03-19=1.75~"), row("2026-12-18=1.85")])
    watch, history, day = UnderlyingWatch(), History(), Session(planned)
    for event in await store.read(0):
        if isinstance(event.body, HistoryImported):
            watch.import_history(event.body, day)
            history.take(event.body)
    assert watch.dividends == {date(2026, 12, 18): 1.85, date(2027, 3, 19): 1.75}
    found = history.dividends["SPY"].ahead("SPY", day, before=DAY)
    assert [(d.ex_date.month, d.amount, d.estimated) for d in found] == [
        (12, 1.85, False),
        (3, 1.75, True),
    ]


@pytest.mark.parametrize("text", ["2026-12-18", "18.12.2026=1.85", "2026-12-18=-1", "2026-12-18=x"])
def test_a_slip_of_the_pen_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="must"):
        row(text)
