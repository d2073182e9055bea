"""The command line of every daemon: what `--help` says, and that unknown arguments are refused.

Built without reading a setting or opening a connection. run/service.py uses it for the daemons of
the log; the sandboxes, run/all and run/migrate, which have arguments of their own, add to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from run.config import FILE_VARIABLE, Settings, variable

DAEMON_EXITS: Mapping[int, str] = {
    0: "it was asked to stop (SIGTERM, SIGINT) and has stopped",
    1: "it cannot go on; the last line of its log says why and what to do",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
}
_SHARED = ("database_url", "redis_url", "mode", "metrics_host", "metrics_port")
"""Read by every daemon of the log: run/service.py."""


def command_line(
    module: str,
    about: str,
    *,
    reads: Sequence[str] | None = (),
    needs: Sequence[str] = (),
    exits: Mapping[int, str] = DAEMON_EXITS,
    examples: str = "",
) -> argparse.ArgumentParser:
    """A parser that knows `--help` and refuses the rest with exit code 2.

    `reads` are names of settings, or beginnings of names that end in "_"; None for a process that
    reads no settings. `needs` are those without which it does not start.
    """
    parts = [] if reads is None else [_settings([*_SHARED, *reads], needs)]
    parts.append("exit codes:\n" + "\n".join(f"  {code}  {text}" for code, text in exits.items()))
    parts.append("example:\n" + (examples or f"  python -m {module}").strip("\n"))
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=about,
        epilog="\n\n".join(parts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _settings(reads: Sequence[str], needs: Sequence[str]) -> str:
    lines = [f"settings, from the environment or .env ({FILE_VARIABLE} names another file):"]
    for name, field in Settings.model_fields.items():
        if not any(name == read or (read[-1] == "_" and name.startswith(read)) for read in reads):
            continue
        is_needed = field.is_required() or name in needs
        default = "needed" if is_needed else f"default {_shown(field.default)}"
        lines.append(f"  {variable(name):<38} {default}")
    return "\n".join([*lines, "  .env.example says what each is for; an unknown one is refused."])


def _shown(default: object) -> str:
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if isinstance(value, tuple):
        rest = f" and {len(value) - 3} more" if len(value) > 3 else ""
        return ", ".join(str(item) for item in value[:3]) + rest or "empty"
    return str(value) or "empty"
