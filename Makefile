# Claude Gateway Operator. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-node check bench crds lock images cluster-up cluster-down kind-up kind-down clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.complete ## make .venv with everything, the command line at .venv/bin/claude-gateway

# .venv keeps its Python, until PYTHON asks for another
ANEW := ! test -x $(BIN)/pip
ifneq ($(origin PYTHON),file)
ifneq ($(shell $(PYTHON) --version),$(shell $(BIN)/python --version 2>/dev/null))
ANEW := true
.PHONY: .venv/.complete
endif
endif

.venv/.complete: requirements/dev.lock pyproject.toml
	@if $(ANEW); then \
		$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed, %s is %s: set PYTHON=..." % (sys.executable, sys.version.split()[0]) if not (3, 11) <= sys.version_info < (3, 14) else 0)' && \
		echo "setup: making .venv (about half a minute)" && $(PYTHON) -m venv --clear .venv; fi
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run a gateway on 127.0.0.1:8080 (DEMO_PORT), ask it something, show how to connect; ONESHOT=1 ends then
	@$(BIN)/python -m gateway_operator.local.demo

test: check ## pass every test; installs what the tests need
	$(BIN)/python -m tests.install
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile
	@tests/node/run --if-possible

test-node: setup ## pass the tests of a whole node (Linux, root)
	@tests/node/run

check: setup ## lint, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure, and print the table
	$(BIN)/python -m bench

crds: setup ## write crds/ and the chart's CRDs from the resource models
	$(BIN)/python -m gateway_operator.crdgen --chart helm/claude-gateway-operator/templates/crds crds

lock: setup ## renew requirements/*.lock from pyproject.toml; the images get the versions that the tests run with
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --extra proxy --extra operator --group dev --output-file requirements/dev.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --constraint requirements/dev.lock pyproject.toml --extra proxy --output-file requirements/proxy.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --constraint requirements/dev.lock pyproject.toml --extra operator --output-file requirements/operator.lock

images: ## build both images, and as OCI archives in build/images; IMAGE_BUILDER, BASE, REGISTRY, TAG (images/build --help)
	@$(PYTHON) images/build

cluster-up: setup ## a test cluster on this machine with the operator in it (Linux, root; no docker)
	@tests/cluster/cluster-up

cluster-down: ## end the test cluster
	@tests/cluster/cluster down

kind-up: setup ## a kind cluster with the operator and example 01, answering on 127.0.0.1:8080 (docker, kind, kubectl, helm)
	@tests/cluster/kind-up

kind-down: ## delete the kind cluster
	@tests/cluster/kind-up --down

clean: ## remove what setup and the tests made in this folder
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
