# Every target makes the virtual environment it needs on first use. PYTHON picks the interpreter (3.11 to 3.13).
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 3000
SERVE := .venv
DEV := .venv-dev
PIP := -m pip install --quiet --disable-pip-version-check
MINUTES ?= 10
IMAGE ?= python:3.11-slim

.DEFAULT_GOAL := help
.PHONY: help serve test check format soak contract audit lock pin-image docs golden clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(SERVE)/ready ## start the service on HOST:PORT (127.0.0.1:3000) with the shipped model
	HOST=$(HOST) PORT=$(PORT) $(SERVE)/bin/qawl serve

test: $(DEV)/ready ## run every test
	$(DEV)/bin/python -m pytest -q -n auto --dist loadfile

check: $(DEV)/ready ## formatting, lint and strict types, then every test
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(MAKE) test

format: $(DEV)/ready ## format, and fix what ruff can fix
	$(DEV)/bin/ruff format .
	$(DEV)/bin/ruff check --fix .

docs: $(DEV)/ready ## write docs/cli.md and docs/bulk.md anew
	$(DEV)/bin/python -m tools.docs

golden: $(DEV)/ready ## write the service's golden files anew; the diff is the review
	$(DEV)/bin/python -m tests.service.golden

soak: $(DEV)/ready ## saturate the service for MINUTES (10) and watch its memory
	$(DEV)/bin/python -m tests.soak.soak --seconds $$(( $(MINUTES) * 60 )) --save

contract: $(SERVE)/ready $(DEV)/ready ## schemathesis, 2,000 cases, on the shipped bundle's own OpenAPI document
	$(DEV)/bin/python -m tests.service.fuzzing models/compact 2000

audit: $(DEV)/ready ## look the locked packages up for known faults, where an advisory service is reachable
	$(DEV)/bin/python $(PIP) pip-audit
	PYTHON=$(DEV)/bin/python sh deploy/audit.sh

lock: $(DEV)/ready ## resolve constraints.txt and requirements/*.txt anew
	$(DEV)/bin/python $(PIP) uv
	$(DEV)/bin/uv pip compile -q --universal --python-version 3.11 --no-annotate --all-extras \
		--custom-compile-command 'make lock' -o constraints.txt pyproject.toml
	$(DEV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command 'make lock' -c constraints.txt -o requirements/serve.txt pyproject.toml
	$(DEV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --extra gpu \
		--custom-compile-command 'make lock' -c constraints.txt -o requirements/gpu.txt pyproject.toml

pin-image: ## print IMAGE with its digest, where a registry is reachable
	sh deploy/pin-image.sh $(IMAGE)

clean: ## remove the virtual environments and caches
	rm -rf $(SERVE) $(DEV) .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/page/node_modules

$(SERVE)/ready: pyproject.toml requirements/serve.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Qawl needs Python 3.11 to 3.13, $$($(PYTHON) --version) is not; name one with PYTHON=" >&2; exit 2; }
	$(PYTHON) -m venv $(SERVE)
	$(SERVE)/bin/python $(PIP) --require-hashes -r requirements/serve.txt
	$(SERVE)/bin/python $(PIP) --no-deps -e .
	touch $@

$(DEV)/ready: pyproject.toml constraints.txt tests/page/package-lock.json
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) torch==2.13.0
	$(DEV)/bin/python $(PIP) -c constraints.txt -e '.[dev,bulk]'
	! command -v npm > /dev/null || npm ci --prefix tests/page --no-audit --no-fund --silent
	touch $@
