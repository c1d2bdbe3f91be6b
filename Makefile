# `make demo` and `make test` are all a newcomer needs: Python 3.11 or newer and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SERVE ?= 1
# A home for what only looks at the code.
SCRATCH := .cache/check
# Public experiments for the tests (docs/testing.md); the leg is named as not run where there are none.
WINNOW_TEST_DATA ?= $(wildcard ../shared/data)
export WINNOW_TEST_DATA
# Several processes at once do better with one thread of linear algebra each.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo serve check test bench simulate messages clean
.DEFAULT_GOAL := help

help:  ## Say what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/winnow: pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Winnow needs Python 3.11 or newer; say make PYTHON=python3.12, for instance."; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { echo "This Python cannot make virtual environments (Debian: apt-get install python3-venv)."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/winnow
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(VENV)/.dev  ## Make the virtual environment with everything a developer needs

demo: $(BIN)/winnow  ## Run the main job on real data, then serve the pages (SERVE=0 ends instead)
	$(BIN)/winnow demo $(if $(filter 0,$(SERVE)),--no-serve)

serve: $(BIN)/winnow  ## Run Winnow on this machine
	$(BIN)/winnow up

check: $(VENV)/.dev  ## Format, lint, types, import contracts, migrations, translations, fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=.:platform $(BIN)/lint-imports --no-cache
	rm -rf $(SCRATCH)
	WINNOW_HOME=$(SCRATCH) $(BIN)/winnow setup
	WINNOW_HOME=$(SCRATCH) $(BIN)/python manage.py makemigrations --check --dry-run
	WINNOW_HOME=$(SCRATCH) $(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python -m pytest -q -m "not postgresql and not browser and not broker and not slow and not real_data and not node" tests

test: $(VENV)/.dev  ## Every test on SQLite, PostgreSQL, Celery with both brokers, Chromium; says which legs ran
	$(BIN)/python -m tests.legs

bench: $(VENV)/.dev  ## Measure what is promised to be fast
	$(BIN)/python -m tests.benchmarks

simulate: $(VENV)/.dev  ## Simulate error rates and write docs/calibration.md
	$(BIN)/python -m tests.simulation

messages: $(VENV)/.dev  ## Bring the catalogues of translations up to date
	$(BIN)/python -m winnow.translations

clean:  ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) winnow-data
