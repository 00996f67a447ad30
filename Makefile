# Two commands do everything, set-up included:  make demo   make test
# PYTHON=python3.12 chooses an interpreter; VENV=folder another place for the virtual environment.

VENV ?= .venv
BIN = $(VENV)/bin
PYTEST_OPTIONS ?=
.DEFAULT_GOAL = help
.PHONY: help demo test test-train check docs lock bench clean

help:
	@echo "make demo    set up, play a piece with a simulated soloist, say where to hear it"
	@echo "make test    set up, run the tests (PYTEST_OPTIONS='--long' adds what takes many minutes)"
	@echo "make test-train  set up for training too (torch), run the tests that need it"
	@echo "make check   style and types: ruff, mypy"
	@echo "make docs    write the pages that are generated from the code"
	@echo "make bench   measure speed and start-up"
	@echo "make lock    choose new versions of everything and pin them"
	@echo "make clean   remove the virtual environment and what was built"

demo: $(VENV)/.ready
	$(BIN)/collaparte demo

# First what only computes, on all cores; then what runs in real time: the browsers one after the other, and beside
# them, one after the other, what plays on ports or waits (tests/conftest.py). 5: of these none was asked for.
test: $(VENV)/.ready-to-test
	ran=0; \
	$(BIN)/python -m pytest -m "not live" --numprocesses auto --maxprocesses 8 --dist loadfile $(PYTEST_OPTIONS) \
		&& ran=1 || test $$? = 5 || exit 1; \
	$(BIN)/python -m pytest -m live --numprocesses auto --maxprocesses 2 --dist loadgroup $(PYTEST_OPTIONS) \
		&& ran=1 || test $$? = 5 || exit 1; \
	test $$ran = 1 || { echo "No test was chosen by: $(PYTEST_OPTIONS)"; exit 1; }

# What "make test" skips where torch is missing: it is large, and only training needs it.
test-train: $(VENV)/.ready-to-train
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) $$(grep -lE '\b(torch|stable_baselines3|onnx)\b' tests/test_*.py)

# The type checker reads the training code too, so its libraries must be there.
check: $(VENV)/.ready-to-train
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.ready
	$(BIN)/python -m collaparte.cli.reference docs/command-line.md

bench: $(VENV)/.ready-to-train
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock:
	bash scripts/lock.sh

clean:
	rm -rf $(VENV) build dist collaparte-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/.ready: requirements.txt pyproject.toml scripts/venv.sh
	bash scripts/venv.sh $(VENV)
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --editable .
	$(BIN)/collaparte doctor --fix
	touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	touch $@

$(VENV)/.ready-to-train: $(VENV)/.ready-to-test requirements-train.txt
	$(PIP) -r requirements-train.txt
	touch $@
