"""The login that services use on a server with passwords: no owner, no superuser.

Made by run/migrate. It owns nothing and inherits nothing; each connection takes one of the roles of
sql/0001_roles.sql by name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import asyncpg

SERVICE_LOGIN = "striketape_service"
ROLES = ("striketape_writer", "striketape_reader", "striketape_projector")
PASSWORD_CHARACTERS_MIN = 12
_ITERATIONS = 4_096  # what Postgres itself uses


class WeakPassword(Exception):
    """The password of the services is too short; the text never shows it."""


def scram_verifier(password: str, salt: bytes) -> str:
    """What Postgres stores of a password (RFC 5802), so that the password itself is in no
    statement and in no log of the server."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (
        base64.b64encode(part).decode() for part in (salt, stored_key, server_key)
    )
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


async def make_service_login(dsn: str, password: str) -> None:
    """Make the services' login, or give it this password.

    Raises:
        WeakPassword: shorter than PASSWORD_CHARACTERS_MIN, or with characters beyond ASCII.
    """
    if len(password) < PASSWORD_CHARACTERS_MIN or not password.isascii():
        raise WeakPassword(
            f"SERVICE_PASSWORD must have at least {PASSWORD_CHARACTERS_MIN} ASCII characters, "
            f"had {len(password)}"
        )
    verifier = scram_verifier(password, secrets.token_bytes(16))
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            known = await connection.fetchval(
                "SELECT count(*) FROM pg_roles WHERE rolname = $1", SERVICE_LOGIN
            )
            verb = "ALTER" if known else "CREATE"
            # No parameter is possible here; a verifier holds no quote.
            await connection.execute(
                f"{verb} ROLE {SERVICE_LOGIN} LOGIN NOINHERIT PASSWORD '{verifier}'"
            )
            await connection.execute(f"GRANT {', '.join(ROLES)} TO {SERVICE_LOGIN}")
    finally:
        await connection.close()
