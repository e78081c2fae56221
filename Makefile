# Claude Gateway Operator. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench crds lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.complete ## make .venv with everything, the command line at .venv/bin/claude-gateway

.venv/.complete: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed, %s is %s: set PYTHON=..." % (sys.executable, sys.version.split()[0]) if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	@echo "setup: making .venv (about half a minute)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run a gateway on 127.0.0.1:8080 (DEMO_PORT), ask it something, show how to connect; ONESHOT=1 ends then
	@$(BIN)/python -m gateway_operator.local.demo

test: check ## pass every test; installs what the tests need
	$(BIN)/python -m pytest

check: setup ## lint, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure, and print the table
	$(BIN)/python -m bench

crds: setup ## write crds/ from the resource models
	$(BIN)/python -m gateway_operator.crdgen crds

lock: setup ## renew requirements/*.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --extra proxy --output-file requirements/proxy.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --extra operator --output-file requirements/operator.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --extra proxy --extra operator --group dev --output-file requirements/dev.lock

clean: ## remove what setup and the tests made in this folder
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
