"""Every type that stages alone write is known with its worker, and no other type is."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from domain.event import body_types
from run.deciders import DECIDED_BY
from run.workers import WORKERS

ROOT = Path(__file__).resolve().parents[2]
WORKER_OF = {
    "analytics": "signals",
    "forecasts": "signals",
    "signals": "signals",
    "risk": "trader",
    "execution": "trader",
    "commentary": "outbox",
    "distribution": "outbox",
}
"""Package of domain/: the worker that runs its stages."""
SHELLS = ("adapters", "api", "projections", "run", "store")


def made_in(folder: Path) -> dict[str, set[Path]]:
    """Type of event: the files of a folder in which one is made."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in body_types():
                    found[name].add(path)
    return found


def test_the_list_is_what_stages_make_and_shells_do_not() -> None:
    by_shells = {name for folder in SHELLS for name in made_in(ROOT / folder)}
    expected: dict[str, frozenset[str]] = {}
    for package, worker in WORKER_OF.items():
        for name in made_in(ROOT / "domain" / package).keys() - by_shells:
            expected[name] = expected.get(name, frozenset()) | {worker}
    assert expected == DECIDED_BY


def test_every_stage_is_in_a_package_of_its_worker() -> None:
    from tests.run.replay.small_log import settings_of

    settings = settings_of("postgresql:///none")
    for worker, stages in WORKERS.items():
        for stage in stages(settings):
            assert WORKER_OF[type(stage).__module__.split(".")[1]] == worker
