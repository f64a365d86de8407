PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Set-up is done again when what is to be installed has changed.
STAMP := $(VENV)/.installed

.PHONY: help setup demo test lint types examples torture wheel lowest bench bench-gpu clean

help:
	@echo "make demo   set up, then prune a real model on an embedded task (about 6 minutes on 2 cores)"
	@echo "make test   set up, then lint, types and all tests"
	@echo "make examples  the tests of properties, on examples that are drawn anew"
	@echo "make torture  kills, signals, changed files, bad inputs and full disks by the hundred (about 6 minutes on 2 quiet cores)"
	@echo "make wheel  build the wheel, and try it in an environment without this checkout"
	@echo "make lowest the same with the lowest versions of other packages that are allowed, and a part of the tests"
	@echo "make bench  set up, then speed and memory on this machine's processor (about 10 minutes)"
	@echo "make bench-gpu  the same on its GPU"
	@echo "make clean  remove the virtual environment and the demo's runs"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt hatch_build.py $(wildcard src/deepcuts/deploy/runtime/native/*) src/deepcuts/deploy/runtime/build.py
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
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

examples: setup
	DEEPCUTS_EXAMPLES=fresh $(BIN)/pytest -m hypothesis -n auto --maxprocesses 4

torture: setup
	$(BIN)/python tests/robustness/torture.py

wheel: setup
	.ci/installed

lowest: setup
	.ci/installed --lowest

bench: setup
	CUDA_VISIBLE_DEVICES= $(BIN)/python -m benchmarks --output benchmarks/results/cpu.json
	$(BIN)/python -m benchmarks.page benchmarks/results/cpu.json docs/performance.md

bench-gpu: setup
	$(BIN)/python -m benchmarks --require-gpu --output benchmarks/results/gpu.json

clean:
	rm -rf $(VENV) build demo-run
