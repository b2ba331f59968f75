# Targets are described by the text behind their `##`; `make help` prints them.
.DEFAULT_GOAL := help
.PHONY: help run test lint type bench bench-quick clean

# The first Python that is new enough; `make PYTHON=/path/to/python3.12 run` chooses another.
CANDIDATES := python3 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/runtime ## Make thumbnails of samples/photos; installs into .venv what that needs
	$(BIN)/pipeline run configs/thumbnail.yaml
	@echo "The thumbnails are in out/thumbnails; configs/thumbnail.yaml says how they were made."

test: $(VENV)/development ## Run the tests
	$(BIN)/python -m pytest

lint: $(VENV)/development ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/development ## Check types
	$(BIN)/mypy

bench: $(VENV)/development ## Measure against other tools; takes long
	$(BIN)/python -m bench

bench-quick: $(VENV)/development ## The same on few files: does it run, roughly how fast
	$(BIN)/python -m bench --quick

clean: ## Remove what was built: .venv, out/, caches
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "pipeline needs Python 3.11 or newer, and none of these is:" \
		"$(CANDIDATES). Install one, or name it: make PYTHON=/path/to/python run" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "pipeline needs Python 3.11 or newer;" \
		"$(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=/path/to/python run" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

$(VENV)/runtime: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/development: $(VENV)/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
