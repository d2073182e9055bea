"""Interactive Brokers: market data and orders over ib_async, and a sandbox TWS to run them on.

No ib_async object leaves this folder: callers get domain events and plain values.
"""
