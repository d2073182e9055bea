"""The golden records: one JSON file a day, changed only with a reason."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "records"


def kept(name: str) -> dict[str, Any]:
    """The record of a day, without the reasons.

    Raises:
        FileNotFoundError: there is none yet.
    """
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    del found["changes"]
    return found


def keep(name: str, record: dict[str, Any], reason: str) -> None:
    """Write a day's record; a changed one takes `reason` along, the newest last."""
    if len(reason.split()) < 3:
        raise ValueError(f"a golden record needs the reason for its change, was {reason!r}")
    path = FOLDER / f"{name}.json"
    changes: list[dict[str, str]] = []
    if path.exists():
        if kept(name) == record:
            return
        changes = json.loads(path.read_text())["changes"]
    changes.append({"date": date.today().isoformat(), "why": reason})
    FOLDER.mkdir(exist_ok=True)
    path.write_text(json.dumps(record | {"changes": changes}, indent=1) + "\n")
