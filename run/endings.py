"""How a command line tool ends when it could not do its work: one code, one sentence, a remedy.

Used by verify, replay, archive, migrate and worker_control. Their code 1 is an answer (tampered, a
difference, refused), so a failure of the tool itself must never end with it.
"""

from __future__ import annotations

import sys
import traceback

import asyncpg

from domain.event import UnknownEventType
from run.config import SettingsError, without_demo
from store.errors import StoreError, StoreUnavailable
from store.heads import ForeignKey
from store.seal import KeyUnusable
from store.verification import NothingSealed

UNANSWERED = 2
"""Exit code: the log, a key or a setting cannot be used; the text names the remedy."""
BROKEN = 70
"""Exit code: the tool itself is broken (EX_SOFTWARE of sysexits.h); nothing is known of the log."""

_SAY_IT_THEMSELVES = (
    SettingsError,
    StoreError,
    UnknownEventType,
    KeyUnusable,
    ForeignKey,
    NothingSealed,
)
_OTHER_SCHEMA = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,  # the role to be taken
)


def ending(error: Exception) -> tuple[int, str]:
    """The exit code of an error that ended a tool, and what to tell. One that nobody foresaw is
    shown on stderr with where it arose."""
    if isinstance(error, StoreUnavailable):
        return UNANSWERED, f"{error}{without_demo()}"
    if isinstance(error, _SAY_IT_THEMSELVES):
        return UNANSWERED, str(error)
    if isinstance(error, _OTHER_SCHEMA):
        text = f"the database must fit this build, did not ({error}): run python -m run.migrate"
        return UNANSWERED, text
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        text = f"the login of DATABASE_URL must be allowed to read the log, was not: {error}"
        return UNANSWERED, text
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename} must be readable and writable, was not: {error.strerror}"
        return UNANSWERED, text
    if isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError):
        why = str(error) or type(error).__name__
        return UNANSWERED, f"the log must be readable at DATABASE_URL, was not: {why}"
    traceback.print_exception(error, file=sys.stderr)
    return BROKEN, f"the tool is broken, nothing is known of the log: {type(error).__name__}"
