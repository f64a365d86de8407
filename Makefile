PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Set-up is done again when what is to be installed has changed.
STAMP := $(VENV)/.installed

.PHONY: help setup demo test lint types clean

help:
	@echo "make demo   set up, then prune a real model on an embedded task (about 5 minutes on 2 cores)"
	@echo "make test   set up, then lint, types and all tests"
	@echo "make clean  remove the virtual environment and the demo's runs"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt hatch_build.py $(wildcard src/deepcuts/runtime/native/*) src/deepcuts/runtime/build.py
	$(PYTHON) -m venv $(VENV)
	# torch first and pinned: the build for the CPU is then found, and nothing larger is fetched for it.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/deepcuts demo --output demo-run

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

test: lint types
	$(BIN)/pytest

clean:
	rm -rf $(VENV) demo-run
