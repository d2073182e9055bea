"""Option pricing: implied volatility, greeks, dividends, the American check of legs.

Called by analytics, signals and risk. Arrays in, arrays out; a value that cannot be had is null
with a reason. Nothing here reads a clock: times to expiry are passed in.
"""
