"""Risk: maximum loss, size, limits, scenarios, loss rules and the last checks before an order.

Pure functions; the stage that owns the trading state is domain/risk/stage.py. Entries fail
closed and name what is missing; exits are never refused.
"""
