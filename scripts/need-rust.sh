#!/usr/bin/env bash
# Says what to do when there is no Rust, or one too old to build this workspace.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

want=$(sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' Cargo.toml)
advice="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\""

if ! command -v cargo >/dev/null; then
  echo "posthaste: Rust is not installed (version $want or later is needed). Install it with:" >&2
  echo "  $advice" >&2
  exit 1
fi
have=$(rustc --version | sed -nE 's/^rustc ([0-9]+\.[0-9]+).*/\1/p')
if [[ $(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1) != "$want" ]]; then
  echo "posthaste: Rust $have is too old, $want or later is needed. Update it with:" >&2
  echo "  rustup update stable   (without rustup: $advice)" >&2
  exit 1
fi
