# make demo: see it work.  make test: everything CI checks.  Both install what they need into .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-long test-prompt lint types install clean

demo: install
	$(BIN)/sightline demo --out demo

# Files in their order: the long ones of tests/integration first, so that the short ones of tests/unit fill up the end.
# Hundreds of processes are started: what is compiled is kept.
test: export PYTHONDONTWRITEBYTECODE =
# Three workers share two cores, as many tests wait for something: threads of each would wait for those of the others.
test: export OMP_NUM_THREADS = 1
# Many processes open the same networks.
test: export SIGHTLINE_COMPILED = $(abspath $(VENV))/compiled
test: lint types
	$(BIN)/python -m pytest -m "not long" -n 3 --dist loadfile --no-loadscope-reorder --durations 20

test-long: install
	$(BIN)/python -m pytest -m long

# What is promised in seconds, to the letter: on a machine that does nothing else.
test-prompt: export SIGHTLINE_PATIENCE = 1
test-prompt: install
	$(BIN)/python -m pytest -m "not long" $$(grep -rl --include='test_*.py' 'tests\.promptness import .*\(allowed\|promptly\)' tests)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sightline needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing Sightline and its libraries into $(VENV): about 7 GB, a few minutes ..."
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find pipeline trackers tests -name __pycache__ -prune -exec rm -rf {} +
