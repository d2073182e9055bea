"""The marker and the nonce by which a delivery is found again."""

from __future__ import annotations

import hashlib
import hmac

from adapters.outcome import delivery_marker
from domain.distribution.deliveries import nonce

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_a_marker_is_the_first_fifty_bits_of_the_keyed_digest() -> None:
    marker = delivery_marker(b"key", "delivery-1")
    bits = "".join(f"{CROCKFORD.index(character):05b}" for character in marker)
    digest = hmac.new(b"key", b"delivery-1", hashlib.sha256).digest()
    assert len(marker) == 10
    assert bits == "".join(f"{byte:08b}" for byte in digest)[:50]


def test_markers_differ_by_delivery_and_by_secret() -> None:
    markers = {delivery_marker(b"key", f"delivery-{n}") for n in range(2_000)}
    assert len(markers) == 2_000
    assert delivery_marker(b"other", "delivery-1") != delivery_marker(b"key", "delivery-1")


def test_a_nonce_is_stable_and_short_enough_for_discord() -> None:
    assert nonce("delivery-1") == nonce("delivery-1")
    assert nonce("delivery-1") != nonce("delivery-2")
    assert len(nonce("delivery-1")) <= 25
