# Posthaste: one command for each thing a person wants. `make help` lists them.
#
# Every build uses the dev profile with the features of the whole workspace, so that `run`, `test`,
# `check` and `e2e` share one set of compiled crates. Only `bench` builds for release.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

BIN := target/debug/posthaste
# Arguments for `posthaste up`, for example: make run ARGS="--addr 127.0.0.1:9000"
ARGS ?=

.PHONY: help setup run test check bench bench-product bench-redis e2e e2e-redis e2e-compose images fmt docs drawings book infra infra-docs

help: ## list these commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20

setup: ## install what building and testing need, asking nothing
	@scripts/setup.sh

run: ## build, start everything on the embedded store, print the URL
	@scripts/need-rust.sh
	@command -v cc >/dev/null || scripts/setup.sh
	@echo "building (some minutes the first time) ..." >&2
	@cargo build --quiet --locked --workspace --bin posthaste
	@exec $(BIN) up $(ARGS)

test: ## set up what is missing, then run every test; says what it skips
	@scripts/setup.sh
	@scripts/check.sh test

check: ## format, lints, docs, tests, generated files, licences, short fault runs; says what it skips
	@scripts/check.sh all

bench: ## the table of speed and memory (release build, minutes)
	@scripts/need-rust.sh
	@cargo build --quiet --locked --release --workspace --bin posthaste
	@target/release/posthaste bench $(ARGS)
	@$(if $(ARGS),,target/release/posthaste bench product)

bench-product: ## what the API and the channels cost: keys, templates, batches, webhooks, e-mail, watchers
	@scripts/need-rust.sh
	@cargo build --quiet --locked --release --workspace --bin posthaste
	@target/release/posthaste bench product $(ARGS)

bench-redis: ## the same with Redis between backend and worker; fails when a floor is missed
	@scripts/setup.sh
	@cargo build --quiet --locked --release --workspace --bin posthaste
	@target/release/posthaste bench redis $(ARGS)

e2e: ## the fault runs of the embedded store at full size (ended after 15 minutes)
	@scripts/setup.sh
	@cargo build --quiet --workspace --bin posthaste
	@.venv/bin/python e2e/run.py $(ARGS)

e2e-redis: ## the fault runs with Redis between backend and worker (ended after 15 minutes)
	@scripts/setup.sh
	@cargo build --quiet --workspace --bin posthaste
	@.venv/bin/python e2e/run.py --redis $(ARGS)

images: ## build both container images; print their sizes and how long they took
	@scripts/images.sh

e2e-compose: images ## the fault runs in containers: kills, restarts, three workers, the way down
	@python3 e2e/compose.py

infra: ## test the Terraform code for AWS on plans, and break it to see its tests fail; needs no account
	@scripts/infra.sh all
	@python3 infra/tests/deploy_test.py
	@python3 infra/tests/emf.py --self-test

infra-docs: ## write the pages about AWS that are made from the plans
	@scripts/infra.sh write

drawings: ## make the drawings that are made from text
	@scripts/drawing.py write

fmt: ## format the Rust code
	@cargo fmt --all

book: ## build the pages of docs/ as a site in target/book and look at its links
	@scripts/setup.sh
	@python3 scripts/book.py

docs: ## write the generated pages of docs/ and the API documentation of the crates
	@scripts/generate.sh write
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
