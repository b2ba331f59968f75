# Targets are described by the text behind their `##`; `make help` prints them.
.DEFAULT_GOAL := help
.PHONY: help run test test-fast fault soak fix lint type bench bench-quick clean

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

# Three processes run the tests; those that measure time or count processes wait until they are alone (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist worksteal
# What a change needs every minute: all pure folders, the contracts, and one job from end to end.
FAST := tests/cli tests/config tests/contract tests/contracts tests/plan tests/property tests/registry tests/scheduler \
	tests/stages tests/supervisor tests/transport tests/worker tests/project/test_floors.py \
	tests/project/test_structure.py

test: $(VENV)/development ## Run the tests; about three minutes on two cores
	$(PYTEST) --durations 15

test-fast: $(VENV)/development ## The tests that a change needs every minute; 45 seconds
	$(PYTEST) -m 'not slow' $(FAST)

# All that docs/reliability.md names, and what lies beside it; then the storms, one after the other: they fill two cores.
PROMISES := tests/fault tests/storms/test_failing_calls.py tests/storms/test_hostile.py tests/journal tests/worker tests/property tests/scheduler tests/supervisor \
	tests/transport tests/plan/test_machine.py tests/config/test_messages.py tests/config/test_config.py \
	tests/contracts/test_template.py tests/registry/test_own_code.py tests/stages/readers/test_folder.py \
	tests/contract/test_transforms.py tests/contract/test_codecs.py tests/cli/test_probe.py
STORMS := $(addprefix tests/storms/test_,kills.py schedules.py small_shm.py soak.py storms.py watch.py whole_run.py)

fault: $(VENV)/development ## All promises, storms over thousands of files, and their figures; half an hour; needs strace
	$(PYTEST) --durations 15 $(PROMISES)
	$(BIN)/python -m pytest --durations 15 $(STORMS)
	$(BIN)/python -m bench.journal bars

soak: $(VENV)/development ## The same storms twenty times as long, as before a release; a night
	PIPELINE_SOAK=20 $(BIN)/python -m pytest --durations 15 tests/storms

fix: $(VENV)/development ## Put style and format right, as far as that can be done by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

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
