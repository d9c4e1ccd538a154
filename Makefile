# `make demo` and `make test` need nothing done before: they make what they need.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
# Test processes side by side, on two cores: the one that lives by the clock waits for a third of its time.
WORKERS ?= 3

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of processes import the same files: that they are compiled once saves each of them a quarter of a second.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test laws matrix parts parts-peers parts-litellm test-litellm test-failover test-alerting mutate-rules lint format manifests dashboards pictures portrait bench bench-peers lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY) ## the whole story on this machine, nothing else needed: ARGS="--for 60s"
	@$(BIN)/sentinel demo $(ARGS)

test: $(READY) parts lint ## every promise, on real servers: ARGS="tests/core -k closing", WORKERS=1
	@$(BIN)/pytest --numprocesses $(WORKERS) $(ARGS)

laws: $(READY) ## stories that no run has told yet, against every law (`make test` tells the same ones each time)
	@LAWS=search $(BIN)/pytest tests/core tests/engine tests/settings -k law $(ARGS)

matrix: $(READY) parts ## every way to give anything away, and everything that only breaks (`make test` plays thirty)
	@MATRIX=full $(BIN)/pytest tests/cluster/test_matrix.py tests/cluster/test_net_matrix.py $(ARGS)

test-alerting: $(READY) parts ## what verify-alerting computes against what real servers take, all of it (`make test` tries a sample)
	@ALERTING=full $(BIN)/pytest tests/paging/test_truth.py -s $(ARGS)

mutate-rules: $(READY) parts ## each word of each alerting rule, wrong one at a time; a test must notice: ARGS=alerts/paging.rules.yaml
	@nice $(BIN)/python -m tests.mutation $(ARGS)

parts: ## the servers that the tests start, into a cache (about 8 minutes the first time)
	@$(PYTHON) -m tests.parts

test-failover: $(READY) ## 280 primaries that die, and the table of what was said of it (five minutes)
	@FAILOVER=full $(BIN)/pytest -s tests/wire/test_kills.py $(ARGS)

parts-litellm: ## another real LLM gateway, for `make test-litellm` (750 MB)
	@$(PYTHON) -m tests.parts litellm

test-litellm: $(READY) parts-litellm ## the same faults, behind a litellm proxy (about three minutes)
	@LITELLM=real $(BIN)/pytest tests/litellm $(ARGS)

parts-peers: ## the other monitors that `make bench-peers` measures
	@$(PYTHON) -m tests.parts peers

lint: $(READY) ## style, types, who may import whom
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/ruff format --quiet --check || { echo 'lint: `make format` mends this'; exit 1; }
	@$(BIN)/mypy --no-error-summary sentinel tests
	@$(BIN)/lint-imports --no-logo >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }

format: $(READY) ## mends what can be mended
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

manifests: parts ## deploy/manifests, rendered from the chart again
	@HELM="$$($(PYTHON) -c 'from tests.parts import find; print(find("helm"))')" deploy/manifests/render

dashboards: $(READY) ## alerts/dashboards, from tests/dashboards again
	@$(BIN)/python -m tests.dashboards

pictures: $(READY) parts ## docs/dashboards and docs/slack.png, drawn from what real servers said (three minutes)
	@$(BIN)/python -m tests.dashboards.pictures
	@$(BIN)/python -m tests.receivers.picture

portrait: $(READY) parts ## README's picture of the status page, of a real breach of the demo
	@$(BIN)/python -m tests.demo.portrait

bench: $(READY) parts ## the figures in README, measured here
	@$(BIN)/python -m tests.bench

bench-peers: $(READY) parts parts-peers ## the same beside cloudprober and blackbox_exporter
	@$(BIN)/python -m tests.bench peers

LOCK := $(VENV)/lock/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 \
	--custom-compile-command 'make lock'

lock: ## the newest versions that pyproject.toml allows, pinned with their hashes: ARGS=--upgrade
	@$(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/pip install --quiet uv
	@$(LOCK) $(ARGS) --universal --all-extras pyproject.toml requirements/ci.in -o requirements/ci.lock
	@$(LOCK) $(ARGS) --python-platform linux --extra fast pyproject.toml -o requirements/runtime.lock
	@$(LOCK) $(ARGS) --python-platform linux --extra fast --extra browser pyproject.toml -o requirements/browser.lock
	@$(LOCK) $(ARGS) requirements/build.in -o requirements/build.lock
	@$(LOCK) $(ARGS) --universal tests/parts/litellm/requirements.in -o tests/parts/litellm/requirements.lock

clean: ## what was made in this folder (not the parts, which other clones share)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): requirements/ci.lock pyproject.toml
	@echo 'set-up: Python packages into $(VENV)'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; choose one: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --require-hashes -r requirements/ci.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
