#!/usr/bin/env bash
# Builds the two images, posthaste-backend and posthaste-worker, and prints how long each took and how
# large it is. Says so and ends well where there is no Docker.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What the Dockerfile and compose.yaml start from.
mapfile -t bases < <(
  { sed -nE 's/^FROM ([^ ]+:[^ ]+).*/\1/p' Dockerfile; sed -nE 's/.*REDIS_IMAGE:-([^}]+)\}.*/\1/p' compose.yaml; } | sort -u
)
# A machine that reaches no image registry may have a script that starts an engine and makes these.
offline=../shared/tools/docker-offline.sh
if [[ -x $offline ]]; then
  "$offline" "${bases[@]}"
elif ! docker version >/dev/null 2>&1; then
  echo "skipped: no image is built, because there is no Docker engine here (install Docker, or start it)"
  exit 0
fi

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
printf '%-20s %8s %10s\n' image seconds size
for target in backend worker; do
  started=$SECONDS
  log=$(mktemp)
  if ! DOCKER_BUILDKIT=1 docker build --progress=plain --target "$target" --tag "posthaste-$target" \
    --build-arg REVISION="$revision" . >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "posthaste-$target could not be built; the whole log is in $log"
    exit 1
  fi
  rm -f "$log"
  size=$(docker image inspect --format '{{.Size}}' "posthaste-$target")
  printf '%-20s %8d %10s\n' "posthaste-$target" $((SECONDS - started)) "$(numfmt --to=si --suffix=B "$size")"
done
