#!/usr/bin/env bash
# The pages of docs/ that are written from tables in the code and from what the program says. Each has a test, or a
# step of check.sh, that fails while the page is stale; this script rewrites them all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
write)
  UPDATE_DOCS=1 cargo test --quiet --workspace --lib --bins --tests up_to_date
  cargo build --quiet --workspace --bin posthaste
  scripts/reference.py target/debug/posthaste write
  ;;
*)
  echo "usage: scripts/generate.sh write" >&2
  exit 2
  ;;
esac
