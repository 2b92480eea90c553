#!/usr/bin/env bash
# The browser of the page tests: Debian's chromium, installed where that is allowed; elsewhere those tests say why they skip.
set -u
browser="${TOCSIN_CHROMIUM:-/usr/bin/chromium}"
[ -x "$browser" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing chromium for the page tests"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-color-emoji; } >/dev/null 2>&1
fi
if [ ! -x "$browser" ]; then
  echo "no chromium at $browser: install it (apt-get install chromium) or set TOCSIN_CHROMIUM; the page tests are skipped" >&2
  [ -z "${CI:-}" ] || exit 1
fi
exit 0
