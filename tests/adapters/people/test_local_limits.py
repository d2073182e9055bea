"""What passes our own checks is never refused by a vendor: any text, any script."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.discord.message import embed, limit_broken
from adapters.discord.sandbox.validation import message_errors
from adapters.x.poster import why_refused
from adapters.x.text import POST_WEIGHT_MAX, weighted_length

WIDE = "a1 .:/$@#&<>é漢😀👨‍👩‍👧\u200d\ufe0f\u0301\n"


def texts(size: int) -> st.SearchStrategy[str]:
    """Short ones of any code point, and long ones of awkward characters up to `size`."""
    long = st.builds(
        lambda part, times: part * times, st.text(WIDE, min_size=1), st.integers(1, size)
    )
    return st.one_of(st.text(max_size=40), long.map(lambda text: text[:size]))


@settings(max_examples=300, deadline=None)
@given(
    title=texts(300),
    body=texts(4_200),
    fields=st.dictionaries(texts(260), texts(1_100), max_size=27),
)
def test_an_embed_that_passes_is_accepted(title: str, body: str, fields: dict[str, str]) -> None:
    if limit_broken(title, body, fields, "nonce", "MARKER1234"):
        return
    made = embed(title, body, fields, "MARKER1234").to_dict()
    assert message_errors({"embeds": [made], "nonce": "nonce"}) == {}


@settings(max_examples=300, deadline=None)
@given(texts(300))
@example("e\u0301" * 280)
def test_a_post_that_passes_is_within_its_weight(text: str) -> None:
    weight = weighted_length(text)
    assert weight >= 0
    if not why_refused(text):
        assert weight <= POST_WEIGHT_MAX


@settings(max_examples=200, deadline=None)
@given(st.text("ab .\n", max_size=80), st.text("cd \n", max_size=80))
def test_weights_of_parts_that_make_no_link_add_up(first: str, second: str) -> None:
    plain = first.replace(".", "")
    assert weighted_length(plain + " " + second) == (
        weighted_length(plain) + 1 + weighted_length(second)
    )
