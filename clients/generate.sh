#!/usr/bin/env bash
# Writes the generated halves of the clients from the OpenAPI document: `generate.sh write`, or `generate.sh check`, which
# fails when they are not what the document would give now. Needs `make setup` and, for TypeScript, npm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mode=${1:-}
case $mode in write | check) ;; *)
  echo "usage: clients/generate.sh write|check" >&2
  exit 2
  ;;
esac
bin=${POSTHASTE_BIN:-../target/debug/posthaste}
python=python/src/posthaste_client/raw
typescript=typescript/src/schema.d.ts
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

"$bin" openapi >"$made/openapi.json"
# The generator stops at a broken document and warns of what it cannot say; both are failures here.
PATH="$PWD/../.venv/bin:$PATH" openapi-python-client generate --path "$made/openapi.json" --config python/generator.yaml \
  --meta none --output-path "$made/python" --fail-on-warning
find "$made/python" -name __pycache__ -prune -exec rm -rf {} +
if command -v npm >/dev/null; then
  # The lock file pins every version; nothing of what is installed runs scripts.
  (cd typescript && { [[ -d node_modules ]] || npm ci --ignore-scripts --no-audit --no-fund --silent; })
  (cd typescript && npx --no-install openapi-typescript "$made/openapi.json" --output "$made/schema.d.ts" --alphabetize >/dev/null)
else
  echo "npm is not installed: the TypeScript half is left as it is" >&2
  cp "$typescript" "$made/schema.d.ts"
fi

if [[ $mode == write ]]; then
  rm -rf "$python"
  cp -r "$made/python" "$python"
  cp "$made/schema.d.ts" "$typescript"
  exit 0
fi
stale=0
diff -rq -x __pycache__ "$made/python" "$python" || stale=1
diff -q "$made/schema.d.ts" "$typescript" || stale=1
if ((stale)); then
  echo "the clients are not what the OpenAPI document gives: run clients/generate.sh write" >&2
  exit 1
fi
