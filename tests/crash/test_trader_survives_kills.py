"""The trader's processes killed and stopped at random: log and the broker's ledger agree.

`make test` lives LIVES seeds; `make crash` many more, and one again with TRADER_SEED=n.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from pytest_postgresql.executors import NoopExecutor

from run.embedded import EmbeddedPostgres
from tests.crash.log_life import ground
from tests.crash.trader_life import LIVES_PER_ROW, TraderRow

LIVES = 10


def _wanted() -> tuple[int, int]:
    """First seed and count: those of `make test`, or those that TRADER_SEEDS=first:count names."""
    first, _, count = (os.environ.get("TRADER_SEEDS") or f"1:{LIVES}").partition(":")
    return int(first), int(count)


async def test_no_order_twice_no_fill_lost_nothing_unknown_whatever_process_dies(
    postgres_server: EmbeddedPostgres, migrated_template: NoopExecutor, tmp_path: Path
) -> None:
    first, count = _wanted()
    traded: set[int] = set()

    async def row(begins: int) -> str:
        """The lives of a row, one after the other; what the first that did harm did."""
        template, name = migrated_template.template_dbname, f"trader_{os.getpid()}_{begins}"
        async with ground(postgres_server.dsn(), template, name, tmp_path) as made:
            lives = TraderRow(begins, made.dsn, tmp_path / str(begins))
            seed = begins
            try:
                async with lives.running():
                    for seed in range(begins, min(begins + LIVES_PER_ROW, first + count)):
                        if wrongs := await lives.live(seed):
                            break
            except Exception as error:
                wrongs = [repr(error)]
            traded.update(lives.traded)
            print(lives.desk.told(), file=sys.stderr)
            again = f"again: make crash TRADER_SEED={seed}"
            return "\n".join([again, *wrongs, lives.desk.told()]) if wrongs else ""

    # Side by side: most of a life is waiting.
    begins = range(first, first + count, LIVES_PER_ROW)
    told = [text for text in await asyncio.gather(*map(row, begins)) if text]
    assert not told, "\n".join(told)
    if count >= LIVES:
        assert len(traded) >= count / 2, f"most lives must trade, was {sorted(traded)}"
