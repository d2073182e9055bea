"""Stored forms of every version of every event type: what must stay readable for ever.

`python -m tests.domain.event_fixtures` writes a fixture for each type whose current version has
none, and never touches one that exists. A fixture keeps the shape (hash of the JSON schema
without prose) that its version had, and two stored forms: `full` has every field, `least` only
those without a default, as an event from before the others were added.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel

from domain.event import Body, DeskEvent, encode_body
from tests.store.samples import body_classes, sample_of

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "events"
_PROSE = frozenset({"title", "description"})
_NAME = re.compile(r"^v(\d+)\.json$")


def _without_prose(schema: Any, *, is_names: bool = False) -> Any:
    """A JSON schema without titles and docstrings; `is_names` for an object keyed by names."""
    if isinstance(schema, dict):
        return {
            key: _without_prose(value, is_names=key in ("properties", "$defs"))
            for key, value in schema.items()
            if is_names or key not in _PROSE
        }
    if isinstance(schema, list):
        return [_without_prose(item) for item in schema]
    return schema


def shape_sha256(cls: type[Body]) -> str:
    """Hash of what a type accepts: names, types, defaults and enum values of all fields."""
    schema = cls.model_json_schema() if issubclass(cls, DeskEvent) else msgspec.json.schema(cls)
    text = json.dumps(_without_prose(schema), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _only_required(value: Any) -> Any:
    """JSON values of a body, or of a value in one, without the fields that have a default."""
    if isinstance(value, BaseModel | msgspec.Struct):
        return {name: _only_required(getattr(value, name)) for name in _required(type(value))}
    if isinstance(value, tuple | list):
        return [_only_required(item) for item in value]
    if isinstance(value, dict):
        return {key: _only_required(item) for key, item in value.items()}
    if isinstance(value, msgspec.Raw):
        return json.loads(bytes(value))
    return value


def _required(cls: Any) -> list[str]:
    if issubclass(cls, msgspec.Struct):
        return [field.name for field in msgspec.structs.fields(cls) if field.required]
    return [name for name, field in cls.model_fields.items() if field.is_required()]


def fixture_of(cls: type[Body]) -> dict[str, Any]:
    """The fixture of the current version of a type."""
    body = sample_of(cls)
    return {
        "type": cls.__name__,
        "schema": cls.schema_version,
        "shape_sha256": shape_sha256(cls),
        "full": json.loads(encode_body(body)),
        "least": json.loads(msgspec.json.encode(_only_required(body))),
    }


def path_of(cls: type[Body]) -> Path:
    """Where the fixture of the current version of a type is."""
    return FOLDER / cls.__name__ / f"v{cls.schema_version}.json"


def stored_fixtures() -> dict[tuple[str, int], dict[str, Any]]:
    """Every fixture by type and version."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*/*.json")):
        match = _NAME.match(path.name)
        assert match is not None, f"fixture must be named v<number>.json, was {path.name}"
        found[path.parent.name, int(match[1])] = json.loads(path.read_text())
    return found


def main() -> int:
    """Write what is missing, and say what was written."""
    for cls in body_classes():
        path = path_of(cls)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(fixture_of(cls), indent=1, ensure_ascii=False) + "\n")
        print(f"wrote {path.relative_to(FOLDER)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
