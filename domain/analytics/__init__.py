"""Analytics: metrics of the market, one pure module for each family, and the stage that folds them.

The families know nothing of events; stage.py feeds them and reports. Numbers are floats; a value
that cannot be had is null with a reason and never 0.
"""
