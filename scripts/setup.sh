#!/bin/sh
# Make the environment: a virtual environment with the locked packages, from wheels alone.
# Runs again only when the lock has changed. Usage: scripts/setup.sh
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
lock=requirements-dev.txt
python=""
for candidate in ${PYTHON:-} python3.11 python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "setup: Python 3.11 is needed and was not found; install it or set PYTHON=/path/to/python3.11" >&2
    exit 1
fi
stamp=$(cat "$lock" scripts/setup.sh | "$python" -c 'import hashlib,sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.lock-sha256" 2>/dev/null || true)" = "$stamp" ]; then
    exit 0
fi
echo "setup: making $venv from $lock (about a minute)"
if ! "$python" -m venv "$venv" 2>/dev/null; then
    # Debian ships python3 without ensurepip; its package brings it.
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends python3-venv >/dev/null
        "$python" -m venv "$venv"
    else
        echo "setup: this Python has no venv module; install it (Debian: python3-venv)" >&2
        exit 1
    fi
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --require-hashes --only-binary :all: -r "$lock"
echo "$stamp" > "$venv/.lock-sha256"
