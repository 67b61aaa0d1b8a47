# Everything runs in .venv; what a run leaves lies in .nightshelf. `make help` lists the targets.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
UV := $(shell sed -n 's/^uv==//p' requirements-dev.txt)

.DEFAULT_GOAL := help
.PHONY: help venv dev demo demo-spark up serve down status logs lambda test test-all test-containers check docs pins clean

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | column -t -s '|' 2>/dev/null \
	|| sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1: \2/p' $(firstword $(MAKEFILE_LIST))

venv: $(VENV)/.demo ## build .venv from the pinned requirements

demo: venv ## a night on real purchases: embedded PostgreSQL, the DAG under Airflow, the lists
	@$(BIN)/python -m pipeline demo

demo-spark: $(VENV)/.spark ## the demo's night on a Spark cluster of one master and two workers on this machine; needs Java 17
	@$(BIN)/python -m pipeline demo --spark

up: venv ## start Airflow with UI and daily schedule; NIGHTSHELF_UI_PORT and NIGHTSHELF_POSTGRES_PORT choose ports
	@$(BIN)/python -m pipeline up

serve: venv ## answer apps by HTTP on port 3000, and people with a page; NIGHTSHELF_SERVICE_TOKENS asks for tokens
	@$(BIN)/python -m pipeline serve

down: venv ## stop all that demo and up started
	@$(BIN)/python -m pipeline down

status: venv ## what runs
	@$(BIN)/python -m pipeline status

logs: ## follow the logs of the local Airflow
	@tail -n 20 -F "$${NIGHTSHELF_HOME:-.nightshelf}"/airflow/*.log

lambda: ## the zip for AWS Lambda, .nightshelf/lambda.zip, best with PYTHON=python3.13; docs/aws.md says how to deploy it
	@mkdir -p .nightshelf && $(PYTHON) -m venv .nightshelf/lambda-venv
	@.nightshelf/lambda-venv/bin/python deploy/aws/build_zip.py

dev: $(VENV)/.dev ## add the tools of the tests to .venv

test: dev ## the tests, without faults, load, the browser, Spark and containers; with TESTS=tests/ranking only those
	@$(BIN)/python -m pytest -m "not slow and not aws and not ncf and not spark and not containers" $(WORKERS) $(TESTS)

test-all: dev $(VENV)/.spark ## all tests; needs curl, chromium, Java 17, mariadbd, pgbouncer and Debian's PostgreSQL and says so where one is missing
	@$(BIN)/python -m pytest $(if $(TESTS),,-m "not containers") $(WORKERS) $(TESTS)
	@$(if $(TESTS),,$(CONTAINERS))

test-containers: dev ## docker-compose.yml in a Docker engine of the tests' own: root, docker.io and mmdebstrap are needed
	@$(CONTAINERS)

check: dev ## ruff, formatting, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: dev ## write docs/settings.md and config.toml again from the settings in pipeline/settings/
	$(BIN)/python -m docs.settings_page

pins: dev ## write requirements*.txt again from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml $(PINS) -o requirements.txt
	$(BIN)/uv pip compile --group demo -c requirements.txt $(PINS) -o requirements-demo.txt
	$(BIN)/uv pip compile --group service -c requirements.txt $(PINS) -o requirements-service.txt
	$(BIN)/uv pip compile --group lambda -c requirements.txt $(PINS) -o requirements-lambda.txt
	$(BIN)/uv pip compile --group aws $(PINS) -o requirements-aws.txt
	$(BIN)/uv pip compile --group dev -c requirements.txt -c requirements-demo.txt $(PINS) -o requirements-dev.txt
	$(BIN)/uv pip compile --group ncf -c requirements.txt -c requirements-dev.txt $(PINS) -o requirements-ncf.txt
	$(BIN)/uv pip compile --group spark -c requirements.txt -c requirements-dev.txt $(PINS) -o requirements-spark.txt

clean: ## stop what runs, remove .venv and caches; .nightshelf (data, runs) stays
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m pipeline down || true
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -not -path './.nightshelf/*' -prune -exec rm -rf {} +

PINS := --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --upgrade --quiet

# After the others, because an image that is being built and a stack of ten containers want the cores for themselves.
CONTAINERS = $(BIN)/python -m pytest -m containers tests/containers

# Each worker has an embedded server of its own, and the tests of a file stay together. A few files need none.
WORKERS = $(if $(TESTS),,-n logical --dist loadfile --no-loadscope-reorder)

# Stamps: installed again only when a requirements file has changed. uv is quick; pip does the same.
# Bytecode is compiled now, or the first night would pay for it.
INSTALL = if [ -x $(BIN)/uv ] || $(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV); \
	then $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python $(1) \
	|| $(BIN)/python -m pip install -q --disable-pip-version-check $(1); \
	else $(BIN)/python -m pip install -q --disable-pip-version-check $(1); fi

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(1)' 2>/dev/null || \
	{ echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1)"; \
	echo "  next:     install one, then: make PYTHON=python3.12 demo"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	{ rm -rf $(VENV); echo "  next:     on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.demo: requirements.txt requirements-demo.txt requirements-service.txt | $(BIN)/python
	@echo "installing the pinned packages into $(VENV)"
	@$(call INSTALL,-r requirements.txt -r requirements-demo.txt -r requirements-service.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.demo
	@echo "installing the tools of the tests into $(VENV)"
	@$(call INSTALL,-r requirements.txt -r requirements-demo.txt -r requirements-service.txt -r requirements-dev.txt)
	@touch $@

$(VENV)/.spark: requirements-spark.txt $(VENV)/.demo
	@echo "installing Apache Spark into $(VENV)"
	@$(call INSTALL,-r requirements.txt -r requirements-demo.txt -r requirements-service.txt -r requirements-spark.txt)
	@touch $@
