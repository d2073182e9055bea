"""What the Discord, Telegram, X, Reddit and Claude sandboxes share: clock, ledger, faults, server.

`process.PeopleSandbox` starts all five with their control plane; run/sandbox_people.py is its
main(). The vendors' own rules are in adapters/<vendor>/sandbox.
"""
