# Two commands do everything, set-up included:  make demo   make test
# PYTHON=python3.12 chooses an interpreter; VENV=folder another place for the virtual environment.

VENV ?= .venv
BIN = $(VENV)/bin
PYTEST_OPTIONS ?=
.DEFAULT_GOAL = help
.PHONY: help demo test check docs lock bench clean

help:
	@echo "make demo    set up, play a piece with a simulated soloist, say where to hear it"
	@echo "make test    set up, run the tests (PYTEST_OPTIONS='--long' adds what takes many minutes)"
	@echo "make check   style and types: ruff, mypy"
	@echo "make docs    write the pages that are generated from the code"
	@echo "make bench   measure speed and start-up"
	@echo "make lock    choose new versions of everything and pin them"
	@echo "make clean   remove the virtual environment and what was built"

demo: $(VENV)/.ready
	$(BIN)/collaparte demo

test: $(VENV)/.ready-to-test
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

check: $(VENV)/.ready-to-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.ready
	$(BIN)/python -m collaparte.cli.reference docs/command-line.md

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/startup.py

lock:
	bash scripts/lock.sh

clean:
	rm -rf $(VENV) build dist collaparte-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The versions in the lock are complete, so pip is told not to look for more: this keeps out packages that ours ask for
# but never use (tinysoundfont wants pyaudio, which needs a compiler on Linux).
$(VENV)/.ready: requirements.txt pyproject.toml scripts/venv.sh
	bash scripts/venv.sh $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/collaparte doctor --fix
	touch $@

$(VENV)/.ready-to-test: $(VENV)/.ready requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.txt
	touch $@
