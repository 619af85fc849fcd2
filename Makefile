# `make` lists what can be made. Python 3.11 and make are enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SIZE ?= small
DATABASE ?= postgresql
SEED ?= 1

# What the sizes of a proof are.
CONTACTS_medium := 300
CONTACTS_large := 50000
EXAMPLES_small := 3
EXAMPLES_medium := 12
EXAMPLES_large := 200
CHAOS_small := small
CHAOS_medium := small
CHAOS_large := large
CONTACTS ?= 50000
EXAMPLES ?= 25
SCALE ?= 0.1
ONLY ?=

.PHONY: help setup demo check test test-sqlite test-postgresql test-pgbouncer lint format requirements proof chaos endurance simulate \
	mutants schemathesis screenshots bench bench-pages clean

# Two of these words at once would install into one virtual environment, or share two cores.
.NOTPARALLEL:

help:  ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev-installed  ## make the virtual environment with everything that development needs

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	touch $@

$(VENV)/.dev-installed: requirements-dev.txt requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@ $(VENV)/.installed

# ARGS=--once ends by itself.
demo: $(VENV)/.installed  ## import contacts and call them through four sandbox providers
	$(BIN)/python manage.py demo $(ARGS)

check: lint  ## lint, and test what changed since main
	$(BIN)/python -m tests.changed $(ARGS)

# ARGS="tests/calls -k gate" runs these tests on both databases. See docs/testing.md.
test: $(VENV)/.dev-installed  ## the whole suite on PostgreSQL, and on SQLite what SQLite can change
	$(BIN)/python -m tests.suite $(ARGS)

test-sqlite: $(VENV)/.dev-installed  ## the whole suite on SQLite
	$(BIN)/python -m tests.suite --only sqlite $(ARGS)

test-postgresql: $(VENV)/.dev-installed  ## the whole suite on PostgreSQL
	$(BIN)/python -m tests.suite --only postgresql $(ARGS)

test-pgbouncer: $(VENV)/.dev-installed  ## what a connection pooler can change, through PgBouncer
	$(BIN)/python -m tests.suite --only pgbouncer $(ARGS)

lint: $(VENV)/.dev-installed  ## ruff, mypy --strict, the import rules, Django's checks, known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	DEBUG=true $(BIN)/mypy .
	DEBUG=true $(BIN)/python manage.py check
	DEBUG=true $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m tests.vulnerabilities

format: $(VENV)/.dev-installed  ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Hash-pinned, without the address of any index.
requirements: $(VENV)/.dev-installed  ## pin the requirements anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		pyproject.toml -o requirements.txt > /dev/null
	cp requirements.txt requirements-extras.txt  # the versions that it keeps where it can
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra extras pyproject.toml -o requirements-extras.txt > /dev/null
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra dev --extra extras pyproject.toml -o requirements-dev.txt > /dev/null

proof: $(VENV)/.dev-installed  ## the long proofs, in SIZE=small (minutes), medium or large (docs/testing.md)
	$(BIN)/python -m tests.suite --proof $(SIZE)
	$(MAKE) schemathesis EXAMPLES=$(EXAMPLES_$(SIZE)) ARGS="-n 2"
	$(MAKE) chaos SIZE=$(CHAOS_$(SIZE))
	$(if $(CONTACTS_$(SIZE)),$(MAKE) simulate CONTACTS=$(CONTACTS_$(SIZE)))

# SIZE=large also crashes the database. DATABASE=sqlite is possible; ARGS="--seed 7" replays the injections of a run.
chaos: $(VENV)/.dev-installed  ## kill processes and break answers, and judge by the sandbox's journal (docs/chaos.md)
	$(BIN)/python -m tests.chaos --size $(SIZE) --database $(DATABASE) $(ARGS)

# Each kind of process is killed twice; about ten minutes. ARGS="--contacts 150 --kills 35" kills each five times.
endurance: $(VENV)/.dev-installed  ## measure how soon one worker goes on after a kill
	$(BIN)/python -m tests.endurance --database $(DATABASE) --contacts 60 --workers 1 --faults 0.1 --kills 14 $(ARGS)

# CONTACTS=2000 is smaller.
simulate: $(VENV)/.dev-installed  ## play a month of campaigns in simulated time (docs/simulation.md)
	$(BIN)/python -m tests.simulation --contacts $(CONTACTS) $(ARGS)

mutants: $(VENV)/.dev-installed  ## plant deliberate bugs, each of which a test must catch (docs/mutants.md)
	$(BIN)/python -m tests.mutants $(ARGS)

# EXAMPLES of good and of bad requests for each operation. SEED=7 makes up others.
schemathesis: $(VENV)/.dev-installed  ## send made-up requests to every operation of the API's document
	DEBUG=true SCHEMATHESIS_EXAMPLES=$(EXAMPLES) SCHEMATHESIS_SEED=$(SEED) $(BIN)/python -m pytest -q -s -m "" \
		tests/config/test_schemathesis.py $(ARGS)

screenshots: $(VENV)/.dev-installed  ## take pictures of every page, in light and dark, wide and narrow
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

# ONLY=B4 measures one figure; SCALE=1 measures the marks, for hours. ARGS="--json FILE" writes them as well.
bench: $(VENV)/.dev-installed  ## measure the figures B1-B17, each beside its baseline (docs/performance.md)
	$(BIN)/python -m benchmarks --scale $(SCALE) --only "$(ONLY)" $(ARGS)

# Half an hour and 4 GB.
bench-pages: $(VENV)/.dev-installed  ## time every page with a million calls and contacts (docs/benchmarks.md)
	$(BIN)/python -m benchmarks.pages $(ARGS)

clean:  ## remove the virtual environment and what was made at run time
	rm -rf $(VENV) var staticfiles
