#!/bin/sh
# Install Debian's Chromium for the browser test, where that can be done; say so where not.
set -eu
for name in "${CHROMIUM:-chromium}" chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    echo "browser: no Chromium here and no right to install it; the browser test will be skipped"
    exit 0
fi
echo "browser: installing Debian's Chromium for the browser test"
if ! told=$({ apt-get update -q &&
    apt-get install -y -q --no-install-recommends chromium fonts-liberation; } 2>&1); then
    echo "$told" | tail -n 5
    echo "browser: Chromium could not be installed; the browser test will be skipped"
fi
