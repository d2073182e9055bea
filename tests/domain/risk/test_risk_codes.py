"""The catalogue of denial codes is complete and its page is generated from it."""

from __future__ import annotations

from pathlib import Path

from domain.risk.codes import DENIALS, DenialCode, denials_page

PAGE = Path(__file__).parents[3] / "docs" / "denials.md"


def test_every_code_has_one_line_of_explanation() -> None:
    assert set(DENIALS) == set(DenialCode)
    for denial in DENIALS.values():
        assert denial.explanation.endswith(".") and "\n" not in denial.explanation
        assert len(denial.explanation) <= 100


def test_denials_page_is_what_the_enum_generates() -> None:
    assert PAGE.read_text() == denials_page()
