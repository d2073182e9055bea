"""Stands in for the trader's process: speaks, or fails to speak, on the watchdog's two pipes."""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    mode = sys.argv[1]
    control, report = int(sys.argv[3]), int(sys.argv[5])
    os.write(report, b"beat\n")
    if mode == "crashing":
        sys.exit(3)
    if mode == "silent":
        time.sleep(60)
    while line := os.read(control, 1_000):
        if mode == "obedient" and line.startswith(b"halt"):
            os.write(report, b"halted\n")


if __name__ == "__main__":
    main()
