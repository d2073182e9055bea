"""Execution: orders, fills, positions, stops and exits as pure stages of the worker "trader".

No order twice, no fill lost, exits never refused. Stages in list order after risk: OrderStage
(orders.py), PositionStage (positions.py), StopStage (stops.py).
"""
