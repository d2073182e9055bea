"""One row of a risk decision or of the order checks, built the same way everywhere."""

from __future__ import annotations

from domain.events.risk import Check
from domain.events.signals import Result
from domain.risk.codes import DenialCode


def check_row(
    code: DenialCode, holds: bool | None, limit: object, value: object, source: str
) -> Check:
    """`holds` None means that it cannot be evaluated; `source` then names what is missing."""
    result = Result.UNEVALUABLE if holds is None else Result.PASS if holds else Result.FAIL
    return Check(code=code.value, result=result, limit=str(limit), value=str(value), input=source)


def missing_row(code: DenialCode, what: str) -> Check:
    return check_row(code, None, "-", "-", f"missing: {what}")
