#!/usr/bin/env bash
# Checks infra/ on plans alone: `infra.sh all | tests | mutate [PART] | settings BINARY | write`; what each does: infra/tests/run.py.
#
# Terraform's providers come from its registry, or from ../shared/tools/terraform-offline.sh where that is: stand-ins with the same
# schemas. Exit 3: neither can be had here, or Terraform is not installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec python3 infra/tests/run.py "$@"
