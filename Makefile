# On a machine with Python 3.11 or later and nothing else, each of these sets up what it needs in .venv.
#   make demo     336,776 real records through three brokers and back, one of them killed half-way
#   make test     lint, strict types, import contracts, tests; as many at a time as WORKERS says, 2 if it does not
#   make test-fast  all tests that take less than a second each: for the loop of a day
#   make up       a broker on localhost:9092, until Ctrl-C; its records stay in data/
#   make bench    measurements, beside Apache Kafka where Java and Maven are there
#   make soak     the long tests; SOAK_SECONDS=3600 simulates for an hour
#   make docs     the user's guide and the client's reference as HTML, in build/docs
#   make packed   manual pages and completions anew, after a command has changed
#   make fuzz     hostile requests and records for a broker, FUZZ_CASES of them, each number always the same case; some
#                 of them for Apache Kafka too, where Java and Maven are there, to see that both refuse them alike
#   make mutants  change the deciding cores bit by bit, and see that a test notices; CORES="groups log" for some

.DEFAULT_GOAL := test
.PHONY: venv test test-fast lint pytest demo up bench soak fuzz docs packed mutants clean

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
INSTALLED := .venv/installed
PORT ?= 9092
DATA_DIR ?= data
SOAK_SECONDS ?= 600
FUZZ_CASES ?= 100000
CORES ?=
WORKERS ?= 2
# A module's tests stay together, and share its fixtures. A test that hangs says where, and takes its worker with it.
IN_WORKERS := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart=0 \
	-o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true

venv: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: install it, or say make PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

test: lint pytest

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/structure

pytest: $(INSTALLED)
	$(BIN)/python -m pytest $(IN_WORKERS) -m "not soak"

test-fast: $(INSTALLED)
	$(BIN)/python -m pytest $(IN_WORKERS) -m "not soak and not slow" --durations=10 --durations-min=1 tests

demo: $(INSTALLED)
	$(BIN)/python -m examples.flights

up: $(INSTALLED)
	$(BIN)/odradek up --port $(PORT) --data-dir $(DATA_DIR)

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.run

docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

packed: $(INSTALLED)
	$(BIN)/python -m odradek_cli.man_page deploy/man
	for shell in bash zsh fish; do $(BIN)/odradek --show-completion $$shell > deploy/completions/odradek.$$shell; done

soak: $(INSTALLED)
	ODRADEK_SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/python -m pytest -m soak

fuzz: $(INSTALLED)
	ODRADEK_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -m soak tests/fuzz

mutants: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/mutants/requirements.txt
	$(BIN)/python tests/mutants/run.py $(CORES)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
