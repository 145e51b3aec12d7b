# Every target sets up what it needs; the second time that takes a second.
PYTHON ?= python3
SETUP ?= --route auto
BIN := .venv/bin
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
	--custom-compile-command "make lock" --excludes requirements/cpu-excludes.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint docs-check lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: ## virtual environment with all packages (SETUP="--route lean|full --venv DIR" to choose)
	@$(PYTHON) scripts/setup.py $(SETUP)

demo: setup ## serve a small model and show what SLOs do
	$(BIN)/superinfer demo

test: lint docs-check ## lint, then all tests: unit, kernel, integration, e2e (PYTEST="..." for pytest's arguments)
	$(BIN)/python -m pytest $(PYTEST)

lint: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict scripts/setup.py scripts/cpu_env/superinfer_cpu_env.py
	$(BIN)/mypy --strict --ignore-missing-imports --package benchmark
	$(BIN)/lint-imports

docs-check: setup ## compare the documents with the code
	$(BIN)/python -m superinfer.cli.docs --check

lock: setup ## pin requirements/*.txt anew from pyproject.toml (lean environment only)
	$(UV_LOCK) pyproject.toml requirements/cpu.in --output-file requirements/cpu.txt
	$(UV_LOCK) --group dev --constraint requirements/cpu.txt --output-file requirements/dev.txt

clean: ## remove what tools left in the checkout, and the link to the environment
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	if [ -L .venv ]; then rm .venv; fi
