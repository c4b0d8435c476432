# Every target makes the virtual environment it needs on first use. PYTHON picks the interpreter (3.11 to 3.13).
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 3000
SERVE := .venv
DEV := .venv-dev
PIP := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help serve test check format golden lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(SERVE)/ready ## start the service on HOST:PORT (default 127.0.0.1:3000) with the shipped model
	HOST=$(HOST) PORT=$(PORT) $(SERVE)/bin/qawl serve

test: $(DEV)/ready ## run every test (a few minutes)
	$(DEV)/bin/python -m pytest -q

check: $(DEV)/ready ## formatting, lint and strict types, then the tests
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(MAKE) test

format: $(DEV)/ready ## format and fix what ruff can fix
	$(DEV)/bin/ruff format .
	$(DEV)/bin/ruff check --fix .

clean: ## remove the virtual environments and caches
	rm -rf $(SERVE) $(DEV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(SERVE)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Qawl needs Python 3.11 to 3.13, $$($(PYTHON) --version) is not; name one with PYTHON=" >&2; exit 2; }
	$(PYTHON) -m venv $(SERVE)
	$(SERVE)/bin/python $(PIP) -c constraints.txt -e .
	touch $@

$(DEV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) -c constraints.txt torch
	$(DEV)/bin/python $(PIP) -c constraints.txt -e '.[dev]'
	touch $@
