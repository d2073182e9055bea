"""Verify: is the log what was sealed? Every event is read and every seal computed again.

    python -m run.verify                                  the whole log and its archive
    python -m run.verify --from 2026-11-02 --to 2026-11-06

Days are UTC days of recorded_at. Exit codes: 0 clean, 1 tampered (the first bad position and what
is wrong there are named), 2 unreadable or nothing to compare with (what to do is named), 70 the
tool itself is broken.
docs/log-integrity.md says what a seal proves and what it does not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from run.collector import collect_seldom
from run.config import Settings, load_settings
from run.endings import UNANSWERED, ending
from run.replay.printing import Progress
from store.heads import Heads, HeadsDamaged, Marks
from store.integrity import open_log
from store.seal import load_key
from store.verification import Finding, NothingSealed, Verification, Verified


async def verify(settings: Settings, since: date, until: date) -> Verified:
    """Verify the log of the settings. Raises whatever makes it unreadable.

    Raises:
        NothingSealed: also when nothing of these days is sealed; clean is only said of what was
            compared.
        HeadsDamaged: no head could be compared with.
    """
    key = load_key(settings.seal_key)
    folder = settings.seals
    bars: list[Progress] = []

    def note(done: int, up_to: int) -> None:
        if not bars:
            bars.append(Progress("verify", 0, up_to))
        bars[0].at(done)

    async with open_log(settings.database_url, settings.archive) as log:
        verification = Verification(log, Heads(folder), Marks(folder), key, note)
        try:
            found = await verification.run(since, until)
        finally:
            for bar in bars:
                bar.end()
    if found.finding is None and found.stretches == 0:
        days = Heads(folder).days
        raise NothingSealed(
            f"no event from {since} to {until} is sealed, so nothing was compared; days with seals "
            f"go from {days[0]} to {days[-1]}"
        )
    return found


def report(found: Verified, seconds: float, *, as_json: bool) -> int:
    """Print what was found; the exit code."""
    finding = found.finding
    if as_json:
        answer = {
            **asdict(found),
            "result": "tampered" if finding else "clean",
            "sealed_day": found.sealed_day.isoformat(),
            "seconds": round(seconds, 3),
        }
        print(json.dumps(answer))
    elif finding:
        print(_tampered(finding))
    else:
        rate = found.events / seconds if seconds else 0
        print(
            f"clean: {found.events} events in {found.stretches} sealed stretches up to position "
            f"{found.sealed_to} ({found.sealed_day}), {found.not_sealed} behind them not sealed "
            f"yet; {seconds:.1f} s, {rate:,.0f} events/s"
        )
    return 1 if finding else 0


def _tampered(finding: Finding) -> str:
    return f"TAMPERED: first bad position {finding.position}: {finding.text}"


def _report_heads(damage: HeadsDamaged, *, as_json: bool) -> int:
    finding = Finding(damage.after + 1, str(damage))
    if as_json:
        print(json.dumps({"result": "tampered", "finding": asdict(finding)}))
    else:
        print(_tampered(finding))
    return 1


def _report_ending(error: Exception, *, as_json: bool) -> int:
    code, text = ending(error)
    if as_json:
        result = "unreadable" if code == UNANSWERED else "broken"
        print(json.dumps({"result": result, "error": text}))
    else:
        print(f"verify: {text}", file=sys.stderr)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m run.verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--from", dest="since", type=date.fromisoformat, default=date.min)
    parser.add_argument("--to", dest="until", type=date.fromisoformat, default=date.max)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    began = time.monotonic()
    try:
        found = asyncio.run(verify(load_settings(), given.since, given.until))
    except HeadsDamaged as error:
        return _report_heads(error, as_json=given.json)
    except Exception as error:
        # Code 1 says that the log was tampered with: nothing but a finding may end with it.
        return _report_ending(error, as_json=given.json)
    return report(found, time.monotonic() - began, as_json=given.json)


if __name__ == "__main__":
    collect_seldom()
    sys.exit(main())
