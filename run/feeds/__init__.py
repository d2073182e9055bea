"""The feeds daemon: vendor streams to market events. It obeys LinesWanted and decides nothing."""
