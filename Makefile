# Thin: each line calls a tool. `make demo` needs Python 3.11+ alone; `make test` and `make check` add Node's packages.
PYTHON ?= python3
TORCH ?= torch==2.13.0
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
WORKERS ?= 2

# A stamp per choice of torch, so that another TORCH installs again.
TORCH_STAMP := $(VENV)/.made-$(subst /,_,$(subst =,-,$(subst :,_,$(TORCH))))
INSTALLED := $(VENV)/.made-assay
TOOLS := $(VENV)/.made-tools
PACKAGES := contracts/node_modules/.made
# Puts a Node of at least version 20 first in PATH, for the rest of a line.
NODE = node=$$(.ci/node $(VENV)) && export PATH="$$node:$$PATH" &&

.PHONY: demo install packages test storm test-long check lint types rooms artifacts pages contracts docs bench clean
.DELETE_ON_ERROR:

demo: $(INSTALLED)
	@$(BIN)/assay demo $(ARGS)

install: $(INSTALLED)

packages: $(PACKAGES)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Assay needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not found)."; \
	  echo "Name another one:  make demo PYTHON=python3.12"; exit 1; }
	@echo "[1/3] making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "This Python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(TORCH_STAMP): | $(BIN)/python
	@echo "[2/3] installing $(TORCH), alone and first (about 200 MB for a CPU build)"
	@$(PIP) "$(TORCH)"
	@rm -f $(VENV)/.made-torch* && touch $@

$(INSTALLED): $(TORCH_STAMP) pyproject.toml constraints.txt
	@echo "[3/3] installing Assay and what it stands on"
	@$(PIP) --editable .
	@touch $@

$(TOOLS): $(INSTALLED)
	@echo "installing what the tests and checks need"
	@$(PIP) --editable ".[test,check]"
	@touch $@

$(PACKAGES): contracts/package.json contracts/package-lock.json | $(BIN)/python
	@echo "installing the Solidity compiler, OpenZeppelin and Foundry with npm"
	@# The lock names every version and hash; not `npm ci`, which insists on the binaries of other platforms too.
	@$(NODE) cd contracts && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

test: $(TOOLS) $(PACKAGES)
	@# The binary itself: npm's wrapper around it ends with 0 whatever happened.
	$(NODE) cd contracts && node_modules/@foundry-rs/forge-*/bin/forge test
	$(NODE) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "not long" $(ARGS)

storm: $(TOOLS)
	$(BIN)/python -m tests.simulation --seeds 200 --jobs $(WORKERS)

test-long: $(TOOLS) $(PACKAGES)
	$(NODE) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m long $(ARGS)

check: lint types rooms artifacts pages

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(TOOLS)
	$(BIN)/mypy

rooms: $(TOOLS)
	$(BIN)/lint-imports --no-logo

artifacts: $(TOOLS) $(PACKAGES)
	$(NODE) cd contracts && npm run --silent check
	$(BIN)/python -m assay.chain.generate --check

pages: $(TOOLS)
	$(BIN)/python -m assay.cli.reference --check
	$(BIN)/python -m pytest -q tests/docs -m "not long"

contracts: $(TOOLS) $(PACKAGES)
	$(NODE) cd contracts && npm run --silent build
	$(BIN)/python -m assay.chain.generate

docs: $(INSTALLED)
	$(BIN)/python -m assay.cli.reference

bench: $(INSTALLED)
	@for name in $(patsubst bench/%.py,%,$(wildcard bench/[a-z]*.py)); do echo "== $$name"; $(BIN)/python -m bench.$$name || exit 1; done

clean:
	rm -rf $(VENV) contracts/node_modules contracts/out contracts/cache build dist *.egg-info \
	  distributions/*/build distributions/*/*.egg-info \
	  .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
