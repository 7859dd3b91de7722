.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOME_FLAG := $(if $(DEMO),--demo,)
PORT ?= 3000
TICKERS ?= 1000

PINNED := -r requirements/run.txt -r requirements/postgres.txt -r requirements/test.txt

# Set in some containers; without bytecode every start of dbt and Dagster takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo ui test test-slow bench soak lint format audit locks clean

help:  ## List these targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.ready  ## Install everything into .venv, exact versions checked by hash.

$(VENV)/.ready: pyproject.toml requirements/build.txt requirements/run.txt requirements/postgres.txt requirements/test.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and f"Bellwether needs Python 3.11 or newer; {sys.executable} is {v}. Name another: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes $(PINNED) \
		|| $(BIN)/python -m pip install -q --require-hashes $(PINNED)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

demo: setup  ## Build the simulated sample from nothing and print its scorecard.
	@$(BIN)/bellwether demo

ui: setup  ## Start the Dagster UI on 127.0.0.1 (DEMO=1: on the demo's home).
	@$(BIN)/bellwether ui $(HOME_FLAG) --port $(PORT)

PYTEST = $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

SLOW := slow or browser or daemon

test: setup  ## Run the tests, in under ten minutes.
	@$(PYTEST) -m "not ($(SLOW))"

test-slow: setup  ## Run those of whole sets of real data, whole histories, build after build, browsers and daemons.
	@$(PYTEST) -m "$(SLOW)"

bench: $(VENV)/.bench  ## Measure ours beside its peers (TICKERS=10000: 25.2 million rows).
	@$(BIN)/python -m bench.momentum --tickers $(TICKERS) --twice
	@$(BIN)/python -m bench.consensus

$(VENV)/.bench: $(VENV)/.ready requirements/bench.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@touch $@

soak: setup  ## Inject every fault in full counts and write docs/faults.md (hours).
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/fuzz.txt || echo "atheris does not install here: its faults are left out."
	@$(BIN)/python -m tests.faults --write docs/faults.md

lint: $(VENV)/.lint  ## Check style and types of Python and SQL.
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	@$(VENV)/sqlfmt/bin/sqlfmt -q --check dbt_project

format: $(VENV)/.lint  ## Put Python and SQL in form.
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(VENV)/sqlfmt/bin/sqlfmt -q dbt_project

$(VENV)/.lint: $(VENV)/.ready requirements/lint.txt requirements/sqlfmt.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/lint.txt
	@$(PYTHON) -m venv $(VENV)/sqlfmt
	@$(VENV)/sqlfmt/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/sqlfmt.txt
	@touch $@

AUDIT ?= --vulnerability-service pypi
AUDITED := build run postgres test bench lint fuzz audit sqlfmt

audit: $(VENV)/.audit  ## Look up known vulnerabilities of all that is pinned (it asks a service: SECURITY.md).
	@failed=; for group in $(AUDITED); do echo "requirements/$$group.txt"; \
		$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --timeout 30 \
			$(AUDIT) -r requirements/$$group.txt || { failed=1; break; }; done; \
	[ -z "$$failed" ] || { echo "Not audited to the end: above stands a vulnerability, or why the service could not be asked. It needs the" \
		"package index's JSON interface or, with AUDIT='--vulnerability-service osv', that of OSV; a mirror may have neither." >&2; exit 1; }

$(VENV)/.audit: $(VENV)/.ready requirements/audit.txt
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

locks: setup  ## Pin all dependencies anew, with hashes and without addresses.
	@$(LOCK) pyproject.toml -o requirements/run.txt
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["postgres"], sep="\n")' \
		| $(LOCK) --no-deps - -o requirements/postgres.txt
	@for group in build test bench lint fuzz; do $(LOCK) --group $$group -c requirements/run.txt -o requirements/$$group.txt; done
	@for group in audit sqlfmt; do $(LOCK) --group $$group -o requirements/$$group.txt; done

clean:  ## Remove the environment and what was compiled; data stay.
	@rm -rf $(VENV) dbt_project/target dbt_project/logs .mypy_cache .ruff_cache .pytest_cache
