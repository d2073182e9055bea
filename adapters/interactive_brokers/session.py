"""Paper and live never mix: mode, port, account and configuration must agree.

Asked before an order connection is used, by trader and watchdog. Whatever does not agree closes the
connection, so that no order can leave over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from adapters.interactive_brokers.link import LinkError

Mode: TypeAlias = Literal["sandbox", "paper", "live"]
PORTS: dict[Mode, frozenset[int]] = {
    "paper": frozenset({7497, 4002}),
    "live": frozenset({7496, 4001}),
}
"""What TWS and Gateway listen on unless somebody changed it."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class WrongSession(LinkError):
    """This TWS, or the account it is logged in to, is not the one the settings mean."""


def is_paper(account: str) -> bool:
    """Paper accounts begin with D, live ones do not."""
    return account.startswith("D")


@dataclass(frozen=True, slots=True)
class SessionRule:
    """What the settings say the broker's session is."""

    mode: Mode
    account: str = ""
    """The account to trade; may be left out when the session has only one."""

    def check_address(self, host: str, port: int) -> None:
        """
        Raises:
            WrongSession: the address is known to be of another mode.
        """
        for mode, ports in PORTS.items():
            if port in ports and mode != self.mode:
                raise WrongSession(
                    f"port must be one of mode {self.mode}, was {port}, where a {mode} session"
                    " listens: set STRIKETAPE_MODE or STRIKETAPE_IB_PORT"
                )
        if self.mode == "sandbox" and host not in _LOOPBACK:
            raise WrongSession(
                f"a sandbox must be on this machine, was at {host}: set another mode"
            )

    def choose(self, accounts: Sequence[str]) -> str:
        """The account to trade, of those the session manages.

        Raises:
            WrongSession: it is not there, not named though there are several, or of another mode.
        """
        found = [account for account in accounts if account]
        if self.account and self.account not in found:
            raise WrongSession(
                f"STRIKETAPE_IB_ACCOUNT must be one of the session's, was {self.account}, not one"
                f" of {', '.join(found) or 'none'}"
            )
        if not self.account and len(found) != 1:
            raise WrongSession(
                "STRIKETAPE_IB_ACCOUNT must name the account to trade, was empty with"
                f" {len(found)} in the session: {', '.join(found) or 'none'}"
            )
        account = self.account or found[0]
        if is_paper(account) == (self.mode == "live"):
            raise WrongSession(
                f"account must be a {'live' if self.mode == 'live' else 'paper'} one in mode"
                f" {self.mode}, was {account}"
            )
        return account


SANDBOX = SessionRule("sandbox")
