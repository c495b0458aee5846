# What there is to do here. `make` alone explains; `make test` is what CI runs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BENCH ?=
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.built
# A file of tests at a time for each worker, the longest first. Half of the time they wait: so one more than there are cores.
WORKERS ?= $(shell expr $$(nproc) + 1)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export PYTHONDONTWRITEBYTECODE ?= 1

BUNDLE ?= --key $(HOME)/.classready/bundle.key

.PHONY: help venv packages demo bundle test check fix static fast promtool docs bench bench-agent bench-bandwidth bench-collector bench-province bench-scenarios chaos mutants clean

help: ## this list
	@echo "classready: which classrooms have an interactive device and 100 Mbit/s?"
	@echo
	@echo "  make demo    a whole school on this machine; Ctrl-C ends it and leaves nothing running"
	@echo "  make test    everything CI runs, with its own set-up (root or sudo installs Debian packages)"
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  %-15s %s\n", $$1, $$2}'
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter (3.11 or later), VENV=dir another environment."

venv: $(STAMP) ## build .venv with all extras from requirements.lock

$(STAMP): requirements.lock pyproject.toml .ci/venv
	@.ci/venv "$(PYTHON)" "$(VENV)" >&2
	@touch $@

packages:
	@.ci/packages

demo: venv ## run the demo school on loopback
	@$(BIN)/python -m bench.demo

bundle: venv ## what boxes are installed from, signed, in dist/ (BUNDLE="--help", "--key FILE --role collector"; docs/install.md)
	@$(BIN)/python -m bundle $(BUNDLE)

test: packages venv static promtool ## everything: set-up, style, types, imports, promtool, all tests
	@$(PYTEST) tests/e2e tests/component tests/properties tests/unit

check: venv static fast ## the quick part: style, types, imports, unit and property tests

static:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fast:
	@$(PYTEST) tests/properties tests/unit

promtool:
	@.ci/promtool

fix: venv ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: venv ## write the generated parts of docs/ and dashboards/ anew
	$(BIN)/python docs/build.py
	$(BIN)/python -m bench.province.chart
	$(BIN)/python dashboards/build.py

bench: bench-bandwidth bench-agent bench-collector bench-province bench-scenarios ## every benchmark there is; run it alone on the machine

bench-bandwidth: venv ## the 100 Mbit/s verdict on labelled lines, beside iperf3 (root; BENCH="--quick" and the like)
	@$(BIN)/python -m bench.bandwidth $(BENCH)

bench-agent: venv ## the agent's processor time, memory and round-trip times, beside exporters and fping (root; BENCH="--quick")
	@$(BIN)/python -m bench.agent $(BENCH)

bench-collector: venv ## what the collector's parts cost: a report decoded, a roster loaded, a page scraped (BENCH="--quick")
	@$(BIN)/python -m bench.collector $(BENCH)

bench-province: venv ## one collector under a province: reports, silence, restart, scrapes (BENCH="--quick" and the like)
	@$(BIN)/python -m bench.province $(BENCH)

bench-scenarios: venv ## a county's weeks in simulated time: right cause, right person, silence otherwise (BENCH="--quick", "--seed 7")
	@$(BIN)/python -m bench.scenarios $(BENCH)

chaos: venv ## kill, pause, cut and fill everything of a small county, then compare the ledgers (root; BENCH="--seconds 90 --seed 7")
	@$(BIN)/python -m bench.chaos $(BENCH)

mutants: venv ## six deliberate breakages, each caught by its test, and small ones of the core (BENCH="--deliberate", "--quick", "--seed 7")
	@$(BIN)/python -m bench.mutants $(BENCH)

clean: ## remove the environment and every cache
	rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist .demo \
	  tests/support/grafana/node_modules
