"""A sandbox TWS: the real socket protocol, a simulated account, and switches that misbehave."""

from adapters.interactive_brokers.sandbox.server import TwsSandbox

__all__ = ["TwsSandbox"]
