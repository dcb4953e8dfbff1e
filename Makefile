# make demo     train a small Shakespeare model and read what it writes (sets everything up by itself; about five minutes)
# make test     check and test everything (sets everything up by itself)
# make install  the developers' environment, in .venv
# make check    format, lint, types, import rules
# make bench    all benchmarks, about twenty-five minutes (not part of the tests; a short pass: make bench BENCH=--quick)
# make docs     the documentation as a site, in build/site (make docs-serve shows it at http://127.0.0.1:8000)
# make lock     renew the two lock files

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST_WORKERS ?= 2

.PHONY: demo test check install bench docs docs-serve lock format clean
.DEFAULT_GOAL := help
.PHONY: help
help:
	@sed -n 's/^# //p' Makefile

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Groundup needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "the environment could not be made: see above (Debian and Ubuntu need: apt install python3-venv)" >&2; exit 1; }

# One that was interrupted while it was made, or made without pip, is completed.
PIP_THERE = $(PIP) --version > /dev/null 2>&1 || $(PYTHON) -m venv .venv || { echo "delete .venv and try again" >&2; exit 1; }

# The core only: what it takes to train, generate and evaluate.
.venv/.core: pyproject.toml requirements.lock | .venv/bin/python
	@echo "setting up .venv (about a minute)"
	@$(PIP_THERE)
	@$(PIP) install -qq --constraint requirements.lock --editable .
	@touch $@

# Everything the developers use: each package checked against its hash, then torch (whose builds differ by platform) and the rest.
.venv/.dev: pyproject.toml requirements.lock requirements-hashes.lock tests/parity/requirements-transformers4.txt tests/parity/requirements-gpt2.txt | .venv/bin/python
	@echo "setting up the developers' environment in .venv (two or three minutes)"
	@$(PIP_THERE)
	@$(PIP) install -qq --require-hashes --no-deps --requirement requirements-hashes.lock
	@$(PIP) install -qq --constraint requirements.lock --no-build-isolation --editable '.[dev]'
	@$(PIP) install -qq --no-deps --upgrade --target .venv/transformers4 --requirement tests/parity/requirements-transformers4.txt
	@$(PIP) install -qq --no-deps --upgrade --only-binary :all: --target .venv/gpt2 --require-hashes --requirement tests/parity/requirements-gpt2.txt
	@touch $@ .venv/.core

install: .venv/.dev

demo: .venv/.core
	@$(BIN)/groundup train shakespeare --resume
	@echo "        (after  source .venv/bin/activate, so that the shell finds groundup)"

check: .venv/.dev
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

# A hundred processes load the library: compiled once, whatever the environment says. A file's tests stay together, for what they share.
test: export PYTHONDONTWRITEBYTECODE =
test: check
	@$(BIN)/pytest --numprocesses $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

bench: .venv/.dev
	@$(BIN)/python -m benchmarks.suite $(BENCH)

docs: .venv/.dev
	@$(BIN)/python scripts/build_site.py

docs-serve: docs
	@echo "http://127.0.0.1:8000 (Ctrl-C ends it)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site 8000 2> /dev/null

format: .venv/.dev
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

lock: .venv/.dev
	@$(BIN)/python scripts/lock.py

clean:
	rm -rf .venv dist build
