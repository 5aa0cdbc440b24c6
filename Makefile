# Everything a newcomer needs. Works as root and as a normal user, with no terminal and no input.
#
#   PYTHON=python3.12   which interpreter makes the virtual environment (3.11 or newer)
#   ARGS=--json         passed on to what `make demo`, `make bench` or `make bench-peers` runs
#   TESTS=tests/unit    what `make test` runs; all of it by default
#   JOBS=2              how many processes run the tests
#   SEEDS=1000 FIRST=0  how many simulated installations, and from which on; the same seed is the same run
#   MINUTES=60          how long `make soak` takes; ARGS='--seed 7' repeats the faults of a run

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
# The tests and the demo start hundreds of short processes: let Python keep its bytecode, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
.SILENT:
.PHONY: help venv servers test verify test-faults soak check demo demo-rabbitmq bench bench-peers simulate mutants clean

PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests
JOBS ?= 2
SEEDS ?= 1000
FIRST ?= 0
MINUTES ?= 60

help: ## Show this list
	grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-14s %s\n' "$$name" "$$what"; done

demo: venv ## Process 830 real orders while nodes and workers are killed; no server needed
	$(BIN)/perdure demo $(ARGS)

demo-rabbitmq: venv ## The same on RabbitMQ and Postgres servers
	.ci/servers PERDURE >&2
	$(BIN)/perdure demo --rabbitmq $(ARGS)

bench: venv .venv/.bench ## Measure speed on private servers that wait for the disk; ARGS=--quick for a short run
	.ci/servers PERDURE_BENCH >&2
	$(BIN)/perdure bench --out .perdure/bench $(ARGS)

bench-peers: venv .venv/.bench ## The same work with DBOS, Restate, Celery and eventsourcing, and how many times as fast it is
	.ci/servers PERDURE_BENCH >&2
	$(BIN)/python -m benchmarks.peers --out .perdure/bench $(ARGS)

test: venv check ## Check the code and run every test on real private servers
	.ci/servers PERDURE_TEST
	$(BIN)/pytest -q -n $(JOBS) $(TESTS)

test-faults: venv ## Kill, stop, cut and purge everything for six minutes, and count what was lost
	.ci/servers PERDURE_FAULTS >&2
	$(BIN)/python -m tests.faults $(ARGS)

soak: venv ## The same for MINUTES=60
	.ci/servers PERDURE_FAULTS >&2
	$(BIN)/python -m tests.faults --minutes $(MINUTES) $(ARGS)

simulate: venv ## Run SEEDS random installations with random faults on simulated time, from seed FIRST on
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

mutants: venv ## Plant known bugs one after the other, and see that the tests find each
	.ci/servers PERDURE_TEST >&2
	$(BIN)/python -m tests.mutants

verify: ## All of it, as continuous integration does: tests, planted bugs, 20,000 simulations, faults; three quarters of an hour
	$(MAKE) test
	$(MAKE) mutants
	$(MAKE) simulate SEEDS=20000 FIRST=0
	$(MAKE) test-faults

check: venv ## Lint, format, types and import contracts
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy --no-error-summary
	contracts=$$($(BIN)/lint-imports 2>&1) || { echo "$$contracts"; exit 1; }
	echo "check: lint, format, types and import contracts are fine"

servers: venv ## Find Postgres and RabbitMQ, or install them (Debian, as root)
	.ci/servers PERDURE_TEST

venv: .venv/.installed ## Make the virtual environment

.venv/.installed: pyproject.toml .ci/venv
	.ci/venv $(PYTHON) >&2

# What draws the plots is large, and nothing else needs it. Without it there are only figures.
.venv/.bench: .venv/.installed
	if $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --editable '.[bench]' >&2; \
		then touch $@; fi

clean: ## Delete what these commands made; data of `perdure dev` stays
	rm -rf .venv .venv-peers dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
