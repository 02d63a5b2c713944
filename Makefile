# Everything runs through .venv and build/, both made by `make setup`.

PYTHON ?=
export PYTHON
BIN := .venv/bin
MVN := mvn --batch-mode --no-transfer-progress

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes \
	--custom-compile-command 'make lock'

STACK_TESTS := tests/integration/test_local_stack.py

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint unit-test flink-test integration-test stack-test java-test in-turn at-leisure \
	deploy-tools deploy-test airflow airflow-test clean lock

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up everything from nothing; does what is missing or has changed, and leaves .venv/bin/cali.
	@scripts/setup

demo: setup ## Run the whole pipeline on this machine, with a story in it, and say what went where.
	@$(BIN)/cali demo

# Three at a time, of about one length; half of the first is waiting. The last has what the others leave of the machine: its
# tools are compiled, and its tests run, at a low priority.
test: setup ## Run every check and every test.
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target integration-test in-turn at-leisure

in-turn: setup
	+@for target in unit-test lint flink-test stack-test; do \
		$(MAKE) --no-print-directory $$target || exit; \
	done

at-leisure: setup
	+@for target in airflow-test deploy-test java-test; do \
		$(MAKE) --no-print-directory $$target || exit; \
	done

lint: setup ## Check style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit-test: setup ## Run the tests that need neither a JVM nor the stack.
	$(BIN)/pytest tests/unit

flink-test: setup
	$(BIN)/pytest tests/topology tests/operators tests/pipeline

integration-test: setup
	$(BIN)/pytest tests/integration --ignore $(STACK_TESTS) -m 'not nightly'

# They start stacks of their own.
stack-test: setup
	$(BIN)/pytest $(STACK_TESTS)

java-test: setup
	$(MVN) --file connectors/pom.xml test

deploy-tools: setup ## Make the programs that deploy-test runs, in build/deploy-tools/bin; the first time takes minutes.
	@$(BIN)/python scripts/deploy_tools.py

deploy-test: deploy-tools ## Run the tests of what is deployed: manifests, image, Terraform, workflows, alert rules.
	nice $(BIN)/pytest tests/deploy

airflow: setup ## Install Airflow in build/airflow/venv, an environment of its own.
	@$(BIN)/python scripts/airflow_environment.py

airflow-test: airflow ## Run the tests of the DAGs, each task's command as a process.
	nice $(BIN)/pytest tests/airflow

lock: setup ## Rewrite the lock files for pyproject.toml and requirements/*.in; pins that still fit stay.
	$(COMPILE) --all-extras pyproject.toml --output-file requirements/dev.txt
	@cp requirements/dev.txt requirements/job.txt # its pins, so that both have the same; as constraints their markers would bind, too
	$(COMPILE) pyproject.toml --output-file requirements/job.txt
	$(COMPILE) --constraint requirements/dev.txt requirements/bootstrap.in --output-file requirements/bootstrap.txt
	$(COMPILE) requirements/deploy-tools.in --output-file requirements/deploy-tools.txt
	$(COMPILE) requirements/airflow.in --output-file requirements/airflow.txt

clean: ## Stop the local stack and remove what was built; .venv stays.
	@if [ -x $(BIN)/cali ]; then $(BIN)/cali down; fi
	rm -rf build connectors/target *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
