#!/usr/bin/env bash
# Installs what building and testing Posthaste need on a Debian or Ubuntu machine. Asks nothing and
# may be run any number of times: a stamp in target/ makes the second run cost nothing.
#
# SETUP_FORCE=1 looks again in spite of the stamp.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

nextest_version=0.9.143
venv=.venv
stamp=target/setup-$(cat scripts/setup.sh e2e/requirements.txt docs/requirements.txt | sha256sum | cut -c1-16)
[[ -f $stamp && -x $venv/bin/python && -z ${SETUP_FORCE:-} ]] && exit 0

say() { echo "setup: $*"; }

# --- system packages ---------------------------------------------------------------------------
declare -A provides=( # command -> Debian package
  [cc]=build-essential [make]=make [curl]=curl [git]=git [python3]=python3
  [chromium]=chromium [chromedriver]=chromium-driver [wrk]=wrk [shellcheck]=shellcheck
  [redis-server]=redis-server [redis-cli]=redis-tools [node]=nodejs [npm]=npm
)
# Ubuntu's chromium packages only install a snap, which needs a running snapd; Playwright's own
# build is fetched there instead (below).
. /etc/os-release 2>/dev/null || true
if [[ ${ID:-} == ubuntu ]]; then unset 'provides[chromium]' 'provides[chromedriver]'; fi

missing=()
for command in "${!provides[@]}"; do
  command -v "$command" >/dev/null || missing+=("${provides[$command]}")
done
# `import venv` works without the package that makes it useful, so ask for what it needs.
if command -v python3 >/dev/null && ! python3 -c 'import ensurepip' 2>/dev/null; then
  missing+=(python3-venv)
elif ! command -v python3 >/dev/null; then
  missing+=(python3-venv)
fi

# A second server for the tests of the Redis store, where the distribution has it: Debian from 13 on, Ubuntu from 24.04.
add_valkey() {
  if ! command -v valkey-server >/dev/null && [[ " ${missing[*]} " != *" valkey-server "* ]] &&
    [[ -n $(apt-cache madison valkey-server 2>/dev/null) ]]; then
    missing+=(valkey-server)
  fi
}
add_valkey

# Packages that nothing can be built or tested without.
needed_for_build=' build-essential make '

if ((${#missing[@]})); then
  root=()
  if [[ $(id -u) != 0 ]]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then root=(sudo -n); else root=(none); fi
  fi
  if ! command -v apt-get >/dev/null; then
    say "this is not a Debian or Ubuntu machine; please install: ${missing[*]}"
  elif [[ ${root[*]:-} == none ]]; then
    say "neither root nor sudo without a password; please run: sudo apt-get install ${missing[*]}"
  else
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The tests start servers of their own, so no package may start a service: with this file, Debian's packages ask it
    # first and are told no. One that is there already stays as it is.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
      printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
      "${root[@]}" chmod 755 "$policy"
      trap '"${root[@]}" rm -f "$policy"' EXIT
    fi
    "${root[@]}" apt-get update -qq || say "apt-get update failed; going on with the lists at hand"
    # The lists may have been empty before.
    add_valkey
    # One by one when the whole set fails, so that one missing package does not cost the others.
    if ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -o DPkg::Lock::Timeout=600 -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
      for package in "${missing[@]}"; do
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
          apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
          say "could not install $package"
      done
    fi
    if [[ -n $(trap -p EXIT) ]]; then
      "${root[@]}" rm -f "$policy"
      trap - EXIT
    fi
  fi
  for package in "${missing[@]}"; do
    if [[ $needed_for_build == *" $package "* ]] && ! command -v cc >/dev/null; then
      say "a C compiler is needed to build SQLite; install build-essential and try again"
      exit 1
    fi
  done
fi

# --- Rust --------------------------------------------------------------------------------------
scripts/need-rust.sh
for component in clippy rustfmt; do
  if ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then
    if command -v rustup >/dev/null; then
      rustup component add "$component" || say "could not add $component; make check will say so"
    else
      say "$component is missing; it comes with rustup: rustup component add $component"
    fi
  fi
done

# --- Terraform ---------------------------------------------------------------------------------
# No distribution has it as a package. Only the checks of infra/ need it, and say that they skip without.
command -v terraform >/dev/null ||
  say "terraform is not installed; the checks of infra/ will be skipped (https://developer.hashicorp.com/terraform/install)"

# --- cargo-nextest -----------------------------------------------------------------------------
# The published binary. Building it takes longer than building Posthaste, and `cargo test` runs the
# same tests, so it is not built unless asked for by SETUP_BUILD_NEXTEST=1.
if ! cargo nextest --version >/dev/null 2>&1; then
  bin=${CARGO_HOME:-$HOME/.cargo}/bin
  mkdir -p "$bin"
  case $(uname -m) in x86_64) platform=linux ;; aarch64) platform=linux-arm ;; *) platform= ;; esac
  say "fetching cargo-nextest $nextest_version"
  # Beside its place and then moved there: another clone may run it, or fetch it, at the same time.
  fetched=$(mktemp -d "$bin/.nextest-XXXXXX")
  if [[ -n $platform ]] && command -v curl >/dev/null &&
    curl -fsSL --proto '=https' --max-time 60 "https://get.nexte.st/$nextest_version/$platform" 2>/dev/null |
    tar -xz -C "$fetched" 2>/dev/null; then
    mv -f "$fetched"/cargo-nextest "$bin"/
  elif [[ ${SETUP_BUILD_NEXTEST:-} == 1 ]]; then
    cargo install --quiet --locked "cargo-nextest@$nextest_version" || say "cargo-nextest could not be built"
  else
    say "cargo-nextest could not be fetched; the tests will run by cargo test"
  fi
  rm -rf "$fetched"
fi

# --- Python tools ------------------------------------------------------------------------------
if ! command -v python3 >/dev/null; then
  say "python3 is missing: the browser tests and the fault runs need it"
  exit 1
fi
say "installing the Python tools into $venv"
[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-input -r e2e/requirements.txt
# What makes the book of docs/. Where there is no wheel for the machine, the book is not built, and its check says so.
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes -r docs/requirements.txt ||
  say "mdBook could not be installed; make book needs one: cargo install mdbook --locked"
if ! command -v chromium >/dev/null && [[ ! -x $venv/bin/chromium ]]; then
  say "fetching a Chromium for the browser tests"
  as_root=()
  if [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; then as_root=(--with-deps); fi
  if "$venv/bin/playwright" install "${as_root[@]}" chromium >/dev/null 2>&1; then
    ln -sf "$("$venv/bin/python" -c '
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    print(p.chromium.executable_path)')" "$venv/bin/chromium"
  else
    say "no Chromium could be installed; the browser tests will be skipped"
  fi
fi

mkdir -p target
rm -f target/setup-*
touch "$stamp"
say "ready"
