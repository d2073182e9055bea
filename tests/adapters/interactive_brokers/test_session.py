"""Paper and live never mix, whatever of mode, port, account and settings disagrees."""

from __future__ import annotations

import pytest

from adapters.interactive_brokers.session import Mode, SessionRule, WrongSession


@pytest.mark.parametrize(
    ("mode", "port"),
    [("paper", 7496), ("paper", 4001), ("live", 7497), ("live", 4002)]
    + [("sandbox", port) for port in (7496, 7497, 4001, 4002)],
)
def test_a_port_of_another_mode_is_never_opened(mode: Mode, port: int) -> None:
    with pytest.raises(WrongSession, match=f"must be one of mode {mode}, was {port}"):
        SessionRule(mode).check_address("127.0.0.1", port)


@pytest.mark.parametrize(
    ("mode", "port"), [("paper", 7497), ("live", 4001), ("paper", 9001), ("sandbox", 9001)]
)
def test_the_own_port_or_one_that_somebody_chose_is_opened(mode: Mode, port: int) -> None:
    SessionRule(mode).check_address("127.0.0.1", port)


def test_a_sandbox_is_never_looked_for_on_another_machine() -> None:
    with pytest.raises(WrongSession, match="must be on this machine"):
        SessionRule("sandbox").check_address("10.0.0.7", 9001)


@pytest.mark.parametrize(
    ("mode", "account"), [("paper", "U1234567"), ("sandbox", "U1234567"), ("live", "DU1234567")]
)
def test_an_account_of_another_mode_is_never_traded(mode: Mode, account: str) -> None:
    with pytest.raises(WrongSession, match=f"in mode {mode}, was {account}"):
        SessionRule(mode).choose([account])
    with pytest.raises(WrongSession, match=f"in mode {mode}, was {account}"):
        SessionRule(mode, account).choose([account])


def test_one_of_several_accounts_is_never_picked_by_chance() -> None:
    accounts = ["DU1", "DU2", ""]
    with pytest.raises(WrongSession, match="must name the account to trade"):
        SessionRule("paper").choose(accounts)
    assert SessionRule("paper", "DU2").choose(accounts) == "DU2"


def test_a_session_without_an_account_is_never_traded() -> None:
    with pytest.raises(WrongSession, match="with 0 in the session"):
        SessionRule("paper").choose([""])
