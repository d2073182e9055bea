"""The command line of the replay tool: which command is answered by which module."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import ModuleType

from run.replay import diff, export, state, timeline, verify_decisions, what_if, why

COMMANDS: Mapping[str, ModuleType] = {
    "why": why,
    "state": state,
    "timeline": timeline,
    "diff": diff,
    "verify-decisions": verify_decisions,
    "what-if": what_if,
    "export": export,
}

DESCRIPTION = """Questions about any moment of the log, answered from the log alone.

Times are market times, New York unless they carry a zone: 10:05, 10:05:30.250, 14:05Z,
"14:05 UTC", 2026-10-06T10:05. A time of day is one of the newest session. DATABASE_URL names the
log; no event is ever written to it. docs/replay.md leads a reviewer through an incident."""

EPILOG = """exit codes:
  0  answered, and nothing differs
  1  a difference was found (verify-decisions, what-if, diff)
  2  the question cannot be answered, and why
  3  another build or other settings decided (verify-decisions, what-if): the command for that
     build, or the settings, are named
  70 the tool itself is broken

examples:
  python -m run.replay state --at 10:05
  python -m run.replay why 1234567890
  python -m run.replay verify-decisions --day 2026-10-06
  python -m run.replay COMMAND --help     for more of each"""


def parser() -> argparse.ArgumentParser:
    """Root parser with one subparser a command; `run` of the result answers it."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON instead of text")
    root = argparse.ArgumentParser(
        prog="python -m run.replay",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        text = (module.__doc__ or "").partition(": ")[2].partition("\n")[0]
        made = commands.add_parser(
            name,
            parents=[common],
            help=text,
            description=module.__doc__,
            epilog=getattr(module, "EXAMPLES", EPILOG),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(made)
        shows = getattr(module, "SHOWS_UNREADABLE", False)
        made.set_defaults(run=module.run, shows_unreadable=shows)
    return root
