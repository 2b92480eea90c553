# One word each; `make` alone lists them. Everything lives in .venv and is built again when a lock file changes.
.DEFAULT_GOAL := help
.PHONY: help run test check lint types gate bench train storm clean lock
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Asked rather than only found: a version manager's stand-in may name a uv that is not there.
UV := $(shell for u in uv .venv/bin/uv; do $$u --version >/dev/null 2>&1 && echo $$u && break; done)
PYTEST_ARGS ?=
# One thread for numeric libraries: two processes with two threads each on two cores are slower than two with one.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 14

run: .venv/run.stamp ## start everything on this machine, with the demo
	@exec $(BIN)/tocsin up

test: .venv/dev.stamp ## every test
	@bash tests/chromium.sh
	@bash tests/elasticsearch.sh
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

check: lint types .venv/dev.stamp ## lint, types, import contracts, the model at its floors, a short crash storm
	$(BIN)/lint-imports
	$(BIN)/python -m models.gate
	$(BIN)/python -m tests.storm --kills 50

lint: .venv/dev.stamp ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp ## mypy --strict on pipeline and models
	$(BIN)/mypy

gate: .venv/dev.stamp ## the shipped model, or MODEL=folder, at its floors in full (DATA=folder of the public sets)
	$(BIN)/python -m models.gate --data $(or $(DATA),../shared/data) $(if $(MODEL),--model $(MODEL) --current models/starter)

bench: .venv/dev.stamp ## throughput, queue and end-to-end times, each beside a named peer
	@bash tests/elasticsearch.sh
	$(BIN)/python -m tests.bench

storm: .venv/dev.stamp ## a thousand kill -9 while posts arrive
	$(BIN)/python -m tests.storm --kills 1000

train: .venv/run.stamp ## train the starter model again (DATA=folder of the training sets)
	$(BIN)/tocsin train $(if $(DATA),--data $(DATA)) $(if $(OUT),--out $(OUT))

lock: .venv/dev.stamp ## resolve the three lock files again
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes -q --custom-compile-command "make lock" -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev -c requirements.txt --universal --python-version 3.11 --generate-hashes -q --custom-compile-command "make lock" -o tests/requirements.txt
	$(BIN)/uv pip compile docker/requirements.in -c requirements.txt --universal --python-version 3.11 --generate-hashes -q --custom-compile-command "make lock" -o docker/requirements.txt

clean: ## remove what was built (the data in .tocsin stays; remove it by hand)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Tocsin needs Python 3.11 or newer; none of python3.11, python3.12, python3.13, python3 is. Name one: make run PYTHON=/path/to/python." >&2; exit 2; }
	$(PYTHON) -m venv .venv

# The project itself is used in place: a path file and a launcher, no build step. The launcher is a shell's, as a first
# line with the Python's path breaks at a blank; the path stands in single quotes, in which a shell expands nothing; and -P
# keeps what lies where it is called from being loaded instead.
define install
	@echo "installing from $(1): a minute or two, only the first time"
	@if [ -n "$(UV)" ]; then VIRTUAL_ENV="$$PWD/.venv" $(UV) pip install -q --require-hashes --compile-bytecode -r $(1); \
	else $(BIN)/python -m pip install -q --disable-pip-version-check -U "pip>=24" && \
	     $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1); fi
	@pwd > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tocsin.pth"
	@python=$$(printf '%s' "$$PWD/$(BIN)/python" | sed "s/'/'\\\\''/g"); \
	printf "#!/bin/sh\nexec '%s' -P -m pipeline.cli \"\$$@\"\n" "$$python" > $(BIN)/tocsin
	@chmod +x $(BIN)/tocsin
	@touch $(2)
endef

.venv/run.stamp: requirements.txt | .venv/bin/python
	$(call install,requirements.txt,.venv/run.stamp)

.venv/dev.stamp: tests/requirements.txt | .venv/bin/python
	$(call install,tests/requirements.txt,.venv/dev.stamp .venv/run.stamp)
