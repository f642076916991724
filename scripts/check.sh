#!/usr/bin/env bash
# Runs the tests (`check.sh test`), what needs no test run (`check.sh lint`), the short fault runs
# (`check.sh faults`) or all of it (`check.sh all`), to the end even when something fails, and prints one
# summary line last: `N passed, N failed[, N skipped]`. CI runs the three in jobs of their own.
#
# What is counted: each Rust test, documentation test, browser test and assertion of the fault runs,
# and one for each other step (format, lints, an example). The line is kept in target/check/summary.
#
# REQUIRE_ALL=1 turns a skip into a failure where `make setup` could have installed the tool.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

mode=${1:-all}
case $mode in all | lint | test | faults) ;; *)
  echo "usage: scripts/check.sh [all|lint|test|faults]" >&2
  exit 2
  ;;
esac
out=target/check
python=.venv/bin/python
# make setup puts a Chromium there where the distribution has none.
PATH="$PATH:$PWD/.venv/bin"
mkdir -p "$out"
rm -rf "${out:?}"/*
# What Python compiles is not left among the sources.
export PYTHONPYCACHEPREFIX="$PWD/$out/pycache"
passed=0 failed=0 skipped=0
problems=()

# --- counting ----------------------------------------------------------------------------------

# Runs a command as one check; its output is shown only when it fails.
step() { # NAME COMMAND...
  local name=$1 log="$out/${1//[^a-zA-Z0-9]/-}.log"
  shift
  local from=$SECONDS
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $name ($((SECONDS - from)) s)"
  else
    failed=$((failed + 1))
    problems+=("$name")
    echo "FAIL  $name ($((SECONDS - from)) s)"
    tail -n 200 "$log" | sed 's/^/      /'
    return 1
  fi
}

# Something that cannot run here. The third argument says whether `make setup` could change that.
skip() { # NAME WHY installable|optional
  if [[ $3 == installable && ${REQUIRE_ALL:-} == 1 ]]; then
    failed=$((failed + 1))
    problems+=("$1: $2")
    echo "FAIL  $1: $2 (REQUIRE_ALL is set)"
  else
    skipped=$((skipped + 1))
    echo "skip  $1: $2"
  fi
}

# Runs a command that counts by itself; COUNTER reads its log and prints `passed failed skipped`.
counted() { # NAME COUNTER COMMAND...
  local name=$1 counter=$2 log="$out/${1//[^a-zA-Z0-9]/-}.log" status p=0 f=0 s=0
  shift 2
  local from=$SECONDS
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  read -r p f s < <("$counter" "$log")
  # A run that died before it could count is a failure of its own.
  if ((status != 0 && ${f:-0} == 0)); then f=1; fi
  if ((status == 0 && ${p:-0} == 0 && ${s:-0} == 0)); then
    echo "$name ran nothing"
    f=1
  fi
  passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0})) skipped=$((skipped + ${s:-0}))
  if ((${f:-0})); then
    problems+=("$name")
    echo "FAIL  $name: ${p:-0} passed, $f failed ($((SECONDS - from)) s)"
  else
    echo "ok    $name: ${p:-0} passed ($((SECONDS - from)) s)"
  fi
}

# `Summary [ 1.2s] 120 tests run: 117 passed (2 slow), 3 failed, 0 skipped`
count_nextest() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
    /Summary \[/ { line = $0 }
    END {
      p = f = 0
      n = split(line, part, /[:,]/)
      for (i = 1; i <= n; i++) {
        if (match(part[i], /[0-9]+ passed/)) p = part[i] + 0
        else if (match(part[i], /[0-9]+ (failed|timed out|exec failed)/)) f += part[i] + 0
      }
      print p, f, 0
    }'
}

# `test result: ok. 3 passed; 0 failed; 0 ignored; …`, any number of times.
count_libtest() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
    /^test result:/ { p += $4; f += $6; s += $8 }
    END { print p + 0, f + 0, s + 0 }'
}

# `3 passed, 0 failed[, 1 skipped]` as the last such line.
count_plain() {
  awk '
    /^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; s = $5 }
    END { print p + 0, f + 0, s + 0 }' "$1"
}

# --- steps -------------------------------------------------------------------------------------

rust_tests() {
  # Snapshots that no test reads any more are found by what the tests say they read.
  export INSTA_UPDATE=no INSTA_SNAPSHOT_REFERENCES_FILE="$PWD/$out/snapshots"
  if cargo nextest --version >/dev/null 2>&1; then
    counted "tests" count_nextest cargo nextest run --locked --workspace ${CI:+--profile ci}
  else
    echo "      cargo-nextest is not installed: running by cargo test"
    counted "tests" count_libtest cargo test --locked --workspace --lib --bins --tests --no-fail-fast
  fi
  unset INSTA_UPDATE INSTA_SNAPSHOT_REFERENCES_FILE
  counted "documentation tests" count_doctests cargo test --locked --workspace --doc --no-fail-fast
  valkey_tests
}

# The tests of the Redis store once more, on Valkey. The whole workspace is named so that they are the programs that were
# compiled already: with one package named, its dependencies have fewer features and are others.
valkey_tests() {
  local name="tests of the Redis store on Valkey"
  if ! command -v valkey-server >/dev/null; then
    skip "$name" "valkey-server is not installed (Debian 13, Ubuntu 24.04 and later have it)" optional
  elif ! cargo nextest --version >/dev/null 2>&1; then
    skip "$name" "cargo-nextest is not installed" optional
  else
    counted "$name" count_nextest env POSTHASTE_TEST_REDIS_SERVER=valkey-server \
      cargo nextest run --locked --workspace -E 'package(posthaste-broker-redis)'
  fi
}

# A workspace may have crates without documentation tests; a run of none is no failure.
count_doctests() {
  count_libtest "$1" | awk '{ print ($1 + $2 + $3 == 0) ? 1 : $1, $2, $3 }'
}

unreferenced_snapshots() {
  [[ -s $out/snapshots ]] || return 0
  local lost=0 file
  while IFS= read -r file; do
    if ! grep -qF "$(realpath "$file")" <(xargs -r -d '\n' realpath -m <"$out/snapshots"); then
      echo "no test reads $file"
      lost=1
    fi
  done < <(git ls-files 'crates/**/*.snap')
  return "$lost"
}

# In a directory of its own, so that an example may keep its store where it likes.
in_scratch() {
  (cd "$(mktemp -d)" && "$@")
}

examples() {
  local source name
  cargo build --quiet --locked --workspace --examples 2>&1 || true
  for source in crates/posthaste/examples/*.rs; do
    [[ -e $source ]] || continue
    name=$(basename "$source" .rs)
    step "example $name" in_scratch timeout 60 "$PWD/target/debug/examples/$name"
  done
}

browser() {
  if [[ ! -e e2e/browser/run.py ]]; then
    skip "browser tests" "there are none" optional
  elif [[ ! -x $python ]]; then
    skip "browser tests" "no Python tools; run make setup" installable
  elif ! command -v chromium >/dev/null; then
    skip "browser tests" "no Chromium; run make setup" installable
  else
    counted "browser tests" count_plain "$python" e2e/browser/run.py --bin target/debug/posthaste
  fi
}

faults() {
  if [[ ! -x $python ]]; then
    skip "fault runs" "no Python tools; run make setup" installable
  else
    counted "fault runs" count_plain "$python" e2e/run.py --quick
  fi
}

licences() {
  if cargo deny --version >/dev/null 2>&1; then
    step "licences and sources of dependencies" cargo deny --locked check licenses bans sources
  else
    skip "licences and sources of dependencies" "cargo-deny is not installed" optional
  fi
}

# Exit 3 says that there is no mdBook.
book() {
  local status=0
  python3 scripts/book.py --probe || status=$?
  if ((status == 3)); then
    skip "the book" "mdBook is not installed; run make setup" installable
  else
    step "the book" python3 scripts/book.py
  fi
}

shell_lint() {
  if command -v shellcheck >/dev/null; then
    step "shell scripts" shellcheck -x .ci/run scripts/*.sh
  else
    skip "shell scripts" "shellcheck is not installed; run make setup" installable
  fi
}

infra_lint() {
  local tool=../shared/tools/lint-infra.sh
  if [[ -x $tool ]]; then
    step "infrastructure files" "$tool" .
  else
    skip "infrastructure files" "their linters are not here; CI has them" optional
  fi
}

# Exit 3 says that Terraform or its providers cannot be had here; setup installs neither.
infra() { # NAME COMMAND...
  local name=$1 log="$out/${1//[^a-zA-Z0-9]/-}.said" status=0
  shift
  "$@" >"$log" 2>&1 || status=$?
  if ((status == 3)); then
    skip "$name" "$(sed -n 's/^skip  [^:]*: //p' "$log")" optional
  else
    counted "$name" count_plain cat "$log"
  fi
}

# What of it needs no program takes minutes of whatever the tests leave of the processors: they wait for clocks, browsers and each
# other. It is counted at the end.
infra_pid=
infra_begins() {
  nice -n 19 scripts/infra.sh all >"$out/infra-said" 2>&1 &
  infra_pid=$!
}

# As `scripts/infra.sh all`, which it waits for if it runs already.
infra_all() {
  local status=0
  if [[ -z $infra_pid ]]; then
    scripts/infra.sh all
    return
  fi
  wait "$infra_pid" || status=$?
  cat "$out/infra-said"
  return "$status"
}

python_syntax() {
  python3 -m compileall -q e2e scripts infra
}

# Whether this run is one of the modes named.
in_mode() { [[ " $* " == *" $mode "* ]]; }

# --- the run -----------------------------------------------------------------------------------

scripts/need-rust.sh || { echo "0 passed, 1 failed" | tee "$out/summary"; exit 1; }

if in_mode lint all; then
  step "format" cargo fmt --all --check
  if cargo clippy --version >/dev/null 2>&1; then
    step "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
  else
    skip "lints" "clippy is not installed; rustup component add clippy" installable
  fi
  step "API documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
fi

if in_mode test faults all && step "build" cargo build --locked --workspace --all-targets; then
  [[ $mode != all ]] || infra_begins
  if in_mode test all; then
    rust_tests
    step "snapshots are all in use" unreferenced_snapshots
    examples
    browser
    step "variables of the containers" python3 scripts/env_example.py target/debug/posthaste
    infra "variables of the tasks on AWS" scripts/infra.sh settings target/debug/posthaste
  fi
  step "pages that the program tells" python3 scripts/reference.py target/debug/posthaste check
  in_mode faults all && faults
fi

if in_mode lint all; then
  step "scripts compile" python_syntax
  step "links between the documents" python3 scripts/links.py
  book
  shell_lint
  step "drawings made from text" python3 scripts/drawing.py check
  licences
  infra_lint
  counted "deployment to AWS" count_plain python3 infra/tests/deploy_test.py
  counted "embedded metric format" count_plain python3 infra/tests/emf.py --self-test
  infra "infrastructure on AWS" infra_all
fi

if ((${#problems[@]})); then
  echo
  echo "What failed:"
  printf '  %s\n' "${problems[@]}"
fi
echo
summary="$passed passed, $failed failed"
((skipped)) && summary+=", $skipped skipped"
echo "$summary" | tee "$out/summary"
((failed == 0))
