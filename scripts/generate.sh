#!/usr/bin/env bash
# The pages of docs/ that are written from tables in the code. Each has a test that fails while the
# page is stale, so `check` needs nothing of its own; this script rewrites them all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
write) UPDATE_DOCS=1 cargo test --quiet --workspace --lib --bins --tests up_to_date ;;
*)
  echo "usage: scripts/generate.sh write" >&2
  exit 2
  ;;
esac
