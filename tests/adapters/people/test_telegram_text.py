"""Signed buttons and escaping of Telegram texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.telegram.buttons import BUTTON_BYTES_MAX, Button, button_data, read_button
from adapters.telegram.sandbox.markup import visible_text
from adapters.telegram.text import escaped, without_markup

APPROVAL = "0b6b3c1e-6d0a-5d0c-9a53-3d7f4b3b9a10"


def test_a_button_comes_back_as_it_was_signed_and_fits() -> None:
    data = button_data(b"key", "approve", APPROVAL, 999)
    assert len(data.encode()) <= BUTTON_BYTES_MAX
    assert read_button(b"key", data) == Button("approve", APPROVAL, 999)


@pytest.mark.parametrize("old", ["approve", APPROVAL, ":3:", "v1"])
def test_a_changed_button_is_refused(old: str) -> None:
    data = button_data(b"key", "approve", APPROVAL, 3)
    new = {"approve": "reject", APPROVAL: APPROVAL[:-1] + "1", ":3:": ":4:", "v1": "v2"}[old]
    assert read_button(b"key", data.replace(old, new)) is None


def test_a_button_of_another_key_or_shape_is_refused() -> None:
    data = button_data(b"key", "approve", APPROVAL, 3)
    assert read_button(b"other", data) is None
    for foreign in ("", "v1:approve", data + "x", data[:-1], "a:1"):
        assert read_button(b"key", foreign) is None


@pytest.mark.parametrize(
    ("verb", "approval", "revision"),
    [("approve", "a:b", 1), ("Approve", "a", 1), ("approve", "a" * 41, 1), ("approve", "", 1)],
)
def test_a_button_that_could_not_be_read_is_never_made(
    verb: str, approval: str, revision: int
) -> None:
    with pytest.raises(ValueError):
        button_data(b"key", verb, approval, revision)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_escaped_data_is_seen_as_it_was(text: str) -> None:
    assert visible_text(escaped(text)) == text.strip()
    assert without_markup(escaped(text)) == text
