"""Predictions of the desk, their outcomes, and the score that is kept of them.

Pure, like all of the domain. The stage is domain/forecasts/stage.py.
"""
