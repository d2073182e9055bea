"""`python -m run.replay`: open the log of DATABASE_URL, answer one question, say how it went."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from run.collector import collect_seldom
from run.config import load_settings
from run.endings import UNANSWERED, ending
from run.replay.cli import parser
from run.replay.printing import print_json
from run.replay.question import CannotAnswer
from store.postgres import PostgresStore


async def answer(asked: argparse.Namespace) -> int:
    """Open the log and run the command; its exit code."""
    # Somebody sits before it: an address where nobody answers is told at once.
    settings = load_settings()
    async with await PostgresStore.open(
        settings.database_url,
        application_name="replay",
        read_stall_seconds_max=0.0,
        archive_folder=settings.archive,
        read_only=True,
    ) as store:
        shown = store.showing_unreadable() if asked.shows_unreadable else store
        code: int = await asked.run(shown, asked)
        return code


def main(argv: Sequence[str] | None = None) -> int:
    """Answer one question; the exit code (see cli.EPILOG)."""
    given = list(sys.argv[1:] if argv is None else argv)
    asked = parser().parse_args(given, argparse.Namespace(argv=given))
    try:
        return asyncio.run(answer(asked))
    except CannotAnswer as error:
        code, text = UNANSWERED, str(error)
    except BrokenPipeError:
        # The reader has seen enough; nothing more may be flushed into its closed end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Code 1 says that a difference was found: nothing but one may end with it.
        code, text = ending(error)
    if asked.json:
        print_json({"error": text, "exit_code": code})
    else:
        print(f"replay: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    collect_seldom()
    sys.exit(main())
