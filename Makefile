# `make` lists the targets. Everything that a target needs it installs itself; see README.md.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
# A name gives each cluster its own ranges, processes and folder, so that the tests never touch the demo.
DEMO_CLUSTER ?= penstock
TEST_CLUSTER ?= penstock-test
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --quiet pyproject.toml

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/.synced ## From nothing to a served model on a real cluster, and a prediction from it
	@$(BIN)/python -m hack.demo up --cluster $(DEMO_CLUSTER)

.PHONY: demo-down
demo-down: .venv/.synced ## Remove the demo and its cluster (built tools stay cached)
	@$(BIN)/python -m hack.demo down --cluster $(DEMO_CLUSTER)

.PHONY: test
test: check-all e2e ## Everything: check, the slow tests, then the end-to-end suite on a real cluster

.PHONY: check
check: .venv/.synced ## Format, lint, types, layers, generated files, fast tests: no cluster needed
	@$(BIN)/python -m hack.check

.PHONY: check-all
check-all: .venv/.synced ## check, and the tests that take minutes but no cluster
	@$(BIN)/python -m hack.check --slow

.PHONY: e2e
e2e: .venv/.synced ## The end-to-end suite alone
	@$(BIN)/python -m hack.e2e --cluster $(TEST_CLUSTER)

.PHONY: e2e-down
e2e-down: .venv/.synced ## Remove the end-to-end suite's clusters
	@$(BIN)/python -m hack.e2e --cluster $(TEST_CLUSTER) --down

.PHONY: fix
fix: .venv/.synced ## Format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

.PHONY: generate
generate: .venv/.synced ## Write everything that is generated: CRDs, chart copies, reference pages, golden manifests
	@$(BIN)/python -m hack.generate

.PHONY: lock
lock: .venv/.synced ## Resolve the dependencies anew and write the lock files
	@$(COMPILE) --upgrade --extra dev -o requirements/dev.txt
	@for part in operator steps server; do $(COMPILE) --extra $$part -c requirements/dev.txt -o requirements/$$part.txt; done

.PHONY: clean
clean: ## Remove what the targets above left in this folder
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .artifacts

.venv/.synced: requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
	  { echo "Penstock needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "── Python environment (.venv)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || \
	  { echo "python3 -m venv does not work here. On Debian or Ubuntu: apt-get install python3-venv" >&2; rm -rf .venv; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
