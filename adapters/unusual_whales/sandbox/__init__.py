"""A local server that speaks Unusual Whales' wire format, fed by the simulated market."""

from adapters.unusual_whales.sandbox.server import UwSandbox
from adapters.unusual_whales.sandbox.settings import UwSandboxSettings

__all__ = ["UwSandbox", "UwSandboxSettings"]
