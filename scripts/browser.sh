#!/bin/sh
# Install Debian's Chromium for the browser test, where that can be done; say so where not.
set -eu
if command -v chromium >/dev/null 2>&1; then
    exit 0
fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "browser: installing Debian's Chromium for the browser test"
    apt-get update -q >/dev/null
    apt-get install -y -q --no-install-recommends chromium fonts-liberation >/dev/null
else
    echo "browser: no Chromium here and no right to install it; the browser test will be skipped"
fi
