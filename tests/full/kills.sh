#!/usr/bin/env bash
# Crash test: kills the host at random moments under load, 300 times, and checks the outcome of
# every message.
#
#   tests/full/kills.sh [KILLS]
#
# POSTLET_SEED repeats the moments of an earlier run; the first and the last line name it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export POSTLET_KILLS="${1:-300}" POSTLET_REQUIRE_RIG=1 RUST_BACKTRACE=0
exec cargo test --locked --workspace --test binary -- \
    --exact real_servers::kills::no_accepted_message_is_lost_by_kills_at_random_moments --nocapture </dev/null
