"""Ids that are derived are those of RFC 4122, version 5: no build may give a fact another."""

from __future__ import annotations

from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from domain.event import NAMESPACE, derived_id


@given(st.lists(st.text() | st.integers() | st.dates(), max_size=4))
def test_a_derived_id_is_the_uuid5_of_its_parts(parts: list[object]) -> None:
    found = derived_id(*parts)
    assert found == uuid5(NAMESPACE, "|".join(map(str, parts)))
    assert found.version == 5
