"""Signals: scores, gates and the life of a signal for each strategy bucket. Pure functions.

The 0DTE strategy is domain/signals/zero_dte.py, a stage behind analytics in the same worker.
"""
