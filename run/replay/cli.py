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
2026-10-06T10:05. DATABASE_URL names the log."""

EPILOG = """exit codes: 0 answered, and nothing differs; 1 a difference was found; 2 the question
cannot be answered; 3 the log was written by another build."""


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
        made.set_defaults(run=module.run)
    return root
