"""The demo: the whole desk on a simulated day, on this machine alone."""
