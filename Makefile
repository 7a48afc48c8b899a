# A fresh machine needs only Python 3.11 or newer with venv, and make. Start with `make dev` or `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pipenv uses the environment of the project, even if another one is active.
PIPENV := VIRTUAL_ENV=$(CURDIR)/$(VENV) PIPENV_IGNORE_VIRTUALENVS=0 PIPENV_VERBOSITY=-1 PIPENV_NOSPIN=1 $(BIN)/python -m pipenv
# More than processors, because many tests wait for servers.
WORKERS ?= 3
# Each process would compile the modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: dev test test-pgbouncer test-unit coverage test-faults test-schemathesis check lock demo bench setup clean openapi clients format docs

dev: setup
	$(BIN)/python -m app dev

test: check
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# Runs the tests with PgBouncer in front of PostgreSQL. `make test` has a short version.
test-pgbouncer: setup
	$(BIN)/python -m pytest --pgbouncer -n $(WORKERS) --dist worksteal

# Runs the tests that need no server, in seconds.
test-unit: setup
	$(BIN)/python -m pytest -m unit -n 2 --dist worksteal

# Measures branch coverage, which makes the run about a third longer.
coverage: check
	$(BIN)/python -m coverage erase
	COVERAGE_PROCESS_START=pyproject.toml PYTEST_PLUGINS=tests.support.coverage_plugin \
		$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# Runs the tests that `make test` skips because they are slow.
test-faults: setup
	$(BIN)/python -m pytest --faults=full -m slow -o faulthandler_timeout=2400

# Runs schemathesis for longer than `make test` does. schemathesis.toml configures it.
test-schemathesis: setup
	$(BIN)/python -m pytest --faults=full -m slow tests/http/test_schemathesis.py

check: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tools.check

setup: $(VENV)/.synced

$(VENV)/.synced: Pipfile.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pipenv
	@$(PIPENV) sync --dev
	@touch $@

# pipenv includes the indexes of the user's pip configuration in the hash of the lock. Without that configuration, the
# hash is the same on every machine.
lock: setup
	PIP_CONFIG_FILE=/dev/null $(PIPENV) lock --pre
	$(BIN)/python -m tools.clean_lock

demo: setup
	$(BIN)/python -m tools.demo

# Each benchmark starts its own servers. The search benchmark with 1,000,000 images takes 15 minutes (docs/performance.md).
bench: setup
	$(BIN)/python -m benchmarks.search --images 100000
	$(BIN)/python -m benchmarks.uploads
	$(BIN)/python -m benchmarks.record_overhead
	$(BIN)/python -m benchmarks.telemetry
	$(BIN)/python -m benchmarks.login_timing
	$(BIN)/python -m benchmarks.login_load
	$(BIN)/python -m benchmarks.attacks

openapi: setup
	$(BIN)/python -m tools.generated --write

# Generates the code in client/ from docs/openapi.json, as `make openapi` also does. The types of TypeScript need npm.
clients: setup
	$(BIN)/python -m tools.clients --write

# The documentation site, in .site/; a broken link is an error. It needs no network.
docs: setup
	$(BIN)/python -m mkdocs build --strict --quiet

format: setup
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf .imts .site .client_cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.* htmlcov
