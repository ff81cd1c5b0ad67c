#!/usr/bin/env bash
# Round-trip test: sends a thousand generated drafts through Postfix and Dovecot, and compares what
# is read back.
#
#   tests/full/drafts.sh [DRAFTS]
#
# POSTLET_SEED repeats the drafts of an earlier run, whose first line names it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export POSTLET_DRAFTS="${1:-1000}" POSTLET_REQUIRE_RIG=1 RUST_BACKTRACE=0
exec cargo test --locked --workspace --test binary -- \
    --exact real_servers::round_trip::sent_names_and_texts_are_read_back_unchanged --nocapture </dev/null
