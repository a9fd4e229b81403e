# Needs Python 3.11 or later and make; uses uv where it is on the PATH, else venv and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv)
export = $(BIN)/uv export --quiet --locked --no-header --no-emit-project --format requirements-txt
RUN := $(VENV)/run.stamp
DEV := $(VENV)/dev.stamp

ifdef UV
create = $(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
install = $(UV) pip install --quiet --python $(BIN)/python
else
create = $(PYTHON) -m venv $(VENV)
install = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

# The lock names every package, so nothing is left to resolve; older pips stumble over extras when they try.
locked = $(install) --no-deps --require-hashes -r

.PHONY: serve test check fix docs bench dashboard load-tools lock soak

serve: $(RUN)  ## Start the server; ARGS="--api-port 0" are its flags.
	$(BIN)/aragora serve $(ARGS)

test: $(DEV)  ## Run the tests, two files at a time; ARGS are pytest's.
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(DEV)  ## Look for faults without running anything.
	$(BIN)/ruff format --check && $(BIN)/ruff check && $(BIN)/mypy

fix: $(DEV)  ## Mend what a program can mend.
	$(BIN)/ruff check --fix && $(BIN)/ruff format

docs: $(DEV)  ## Write the generated pages.
	$(BIN)/python docs/generate.py

bench: $(DEV)  ## Measure everything beside its floors; ARGS=--long takes its time. Writes results/bench.md and bench.svg.
	$(BIN)/python benchmarks/bench.py $(ARGS)

dashboard: $(DEV)  ## Draw docs/pictures/dashboard.svg from a real Prometheus that watches a loaded server.
	$(BIN)/python benchmarks/dashboard.py $(ARGS)

soak: $(DEV)  ## Put a whole fleet through every fault, long and full; takes ten minutes and a machine of its own.
	FLEET_SOAK=1 $(BIN)/python -m pytest tests/e2e/test_fleet.py -s --timeout 3600 $(ARGS)

load-tools: build/load/load.stamp  ## Install Locust, py-spy and memray in build/load, apart from the rest.

build/load/load.stamp: pyproject.toml
	$(PYTHON) -m venv build/load && build/load/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	build/load/bin/python -m pip install --quiet --disable-pip-version-check --group load && touch $@

lock: $(RUN)  ## Settle the newest versions that pyproject.toml allows.
	$(install) uv && $(BIN)/uv lock --quiet --upgrade
	$(export) --no-dev --output-file requirements.lock && $(export) --output-file requirements-dev.lock

$(RUN): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Aragora needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	$(create) && $(locked) requirements.lock && $(install) --no-deps -e . && touch $@

$(DEV): requirements-dev.lock $(RUN)
	$(locked) requirements-dev.lock && touch $@
