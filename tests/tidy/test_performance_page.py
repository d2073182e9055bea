"""docs/performance.md is what the benchmarks' lines make of it, and asks for nothing unknown."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import table
from benchmarks.__main__ import SUITE

OF_OTHER_PARTS = frozenset({"archive", "seal", "verify"})
"""Prefixes of figures whose benchmarks come with what they measure."""


def test_the_page_is_made_from_the_lines() -> None:
    assert table.PAGE.read_text() == table.page(table.read_results())


def test_every_goal_names_a_figure_that_a_benchmark_reports() -> None:
    texts = "".join(path.read_text() for path in Path(table.__file__).parent.glob("*.py"))
    for row in table.ROWS:
        prefix = row.figure.partition(".")[0]
        if prefix in OF_OTHER_PARTS:
            continue
        assert re.search(rf'"{prefix}[._]|name = "{prefix}"', texts), row.figure


def test_a_later_line_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    table.keep({"bench": "size", "figures": []}, results)
    table.keep({"bench": "append", "figures": []}, results)
    table.keep({"bench": "size", "figures": [{"name": "size.tick", "value": 1}]}, results)
    assert [line["bench"] for line in table.read_results(results)] == ["append", "size"]
    assert table.read_results(results)[1]["figures"]


def test_the_suite_holds_every_benchmark() -> None:
    folder = Path(table.__file__).parent
    runnable = {p.stem for p in folder.glob("*.py") if 'if __name__ == "__main__"' in p.read_text()}
    assert runnable - {"table", "__main__"} <= set(SUITE)
