# The words a newcomer needs. Python 3.11 and make are enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SIZE ?= small
CONTACTS ?= 50000
DATABASE ?= postgresql
EXAMPLES ?= 25
SEED ?= 1

.PHONY: setup demo test test-sqlite test-postgresql lint format requirements chaos endurance simulate mutants schemathesis \
	screenshots bench-pages clean

setup: $(VENV)/.dev-installed

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	touch $@

$(VENV)/.dev-installed: requirements-dev.txt requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@ $(VENV)/.installed

# Contacts imported, calls placed through four sandbox providers, every outcome stored. ARGS=--once ends by itself.
demo: $(VENV)/.installed
	$(BIN)/python manage.py demo $(ARGS)

# The whole suite on SQLite, then on a throwaway PostgreSQL where its programs are installed.
test: $(VENV)/.dev-installed
	$(BIN)/python -m tests.suite $(ARGS)

test-sqlite: $(VENV)/.dev-installed
	$(BIN)/python -m tests.suite --only sqlite $(ARGS)

test-postgresql: $(VENV)/.dev-installed
	$(BIN)/python -m tests.suite --only postgresql $(ARGS)

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	DEBUG=true $(BIN)/mypy .
	DEBUG=true $(BIN)/python manage.py check
	DEBUG=true $(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Hash-pinned, without the address of any index.
requirements: $(VENV)/.dev-installed
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		pyproject.toml -o requirements.txt > /dev/null
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra dev pyproject.toml -o requirements-dev.txt > /dev/null

# Everything goes wrong at once, judged by the fake providers' journal (docs/chaos.md). SIZE=large also crashes the
# database. DATABASE=sqlite is possible; ARGS="--seed 7" replays the injections of a run.
chaos: $(VENV)/.dev-installed
	$(BIN)/python -m tests.chaos --size $(SIZE) --database $(DATABASE) $(ARGS)

# How long a single worker takes to go on after each kind of process is killed, each twice; about ten minutes.
# ARGS="--contacts 150 --kills 35" kills each five times.
endurance: $(VENV)/.dev-installed
	$(BIN)/python -m tests.endurance --database $(DATABASE) --contacts 60 --workers 1 --faults 0.1 --kills 14 $(ARGS)

# Simulated weeks of campaigns, judged by an oracle of its own (docs/simulation.md). CONTACTS=2000 is smaller.
simulate: $(VENV)/.dev-installed
	$(BIN)/python -m tests.simulation --contacts $(CONTACTS) $(ARGS)

# Every page in light and dark, wide and narrow, of an organization at work and of one with nothing yet.
screenshots: $(VENV)/.dev-installed
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

# Deliberate bugs, one at a time in a copy of the code, must each be caught by a test; see docs/mutants.md.
mutants: $(VENV)/.dev-installed
	$(BIN)/python -m tests.mutants $(ARGS)

# Made-up requests, good and bad, over every operation of the API's document. SEED=7 makes up others.
schemathesis: $(VENV)/.dev-installed
	DEBUG=true SCHEMATHESIS_EXAMPLES=$(EXAMPLES) SCHEMATHESIS_SEED=$(SEED) $(BIN)/python -m pytest -q -s \
		tests/config/test_schemathesis.py $(ARGS)

# Every page and API list with a million calls and contacts, beside 10,000 (docs/benchmarks.md); half an hour and 4 GB.
bench-pages: $(VENV)/.dev-installed
	$(BIN)/python -m benchmarks.pages $(ARGS)

clean:
	rm -rf $(VENV) var staticfiles
