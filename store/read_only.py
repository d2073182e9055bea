"""Sessions of whoever only asks: replay and verification, on the desk's server or on a replica.

The session itself refuses to write, so that the login needs nothing but SELECT on the tables. A
login that is a member of the reader's role takes it: the services' own may not read without.
"""

from __future__ import annotations

from typing import Any

READ_ONLY = {"default_transaction_read_only": "on"}
"""Settings to connect with."""


async def take_reader_role(connection: Any) -> None:
    """Right after connecting; for ever, because the role is no setting that a pool resets."""
    await connection.execute(_TAKE)


_TAKE = """
    SELECT set_config('role', 'striketape_reader', false)
    WHERE pg_has_role(session_user, 'striketape_reader', 'MEMBER')
"""
