"""What must hold before bytes of orders leave, and what NotSent says when it does not.

Used by orders.py alone. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.events.orders import OrderIdBlockReserved, OrderIntended

BRACKET_MEMBERS_MAX = 3
DEFECT = "a defect of the desk: halt, and keep the log and this order's chain for its repair"
SLOW = "it is tried again by itself; when it stays so, TWS or the way to it is slow: halt"
AGAIN = "it is decided again by itself on the connection that is open"


class NotSent(RuntimeError):
    """The bytes did not leave and will not: the caller may let the intent lapse.

    The text says what must hold, what was, and what happens next or is to be done.
    """


@dataclass(frozen=True, slots=True)
class Own:
    """What orders of this connection must carry."""

    connection: str
    client_id: int
    account: str
    block: OrderIdBlockReserved | None


def check_members(own: Own, intents: Sequence[OrderIntended], last_id: int) -> None:
    """A bracket, parent first, with ids above `last_id`.

    Raises:
        NotSent: it is no bracket of this connection.
    """
    if not 1 <= len(intents) <= BRACKET_MEMBERS_MAX:
        raise NotSent(f"members must be 1 to {BRACKET_MEMBERS_MAX}, was {len(intents)}: {DEFECT}")
    for number, intent in enumerate(intents, start=1):
        check_id(own, intent, last_id)
        last_id = intent.order_id
        if intent.transmit != (number == len(intents)):
            raise NotSent(f"the last member alone must be transmitted, was not: {DEFECT}")


def check_id(own: Own, intent: OrderIntended, last_id: int) -> None:
    """The id belongs to this connection's block, is new, and the account is ours."""
    if intent.connection != own.connection or intent.client_id != own.client_id:
        raise NotSent(
            f"intent must be of connection {own.connection}, was {intent.connection}: {AGAIN}"
        )
    if own.block is None or not own.block.first <= intent.order_id <= own.block.last:
        raise NotSent(
            f"order id must be in the reserved block, was {intent.order_id}: {AGAIN}, with a"
            " block of its own"
        )
    if intent.order_id <= last_id:
        raise NotSent(
            f"order id must be above {last_id}, was {intent.order_id}: it is decided again by"
            " itself under a new id"
        )
    if intent.account != own.account:
        raise NotSent(
            f"account must be {own.account}, was {intent.account!r}: log in to TWS with the"
            " account that this log began with, or set STRIKETAPE_IB_ACCOUNT"
        )
