# Everything runs from a virtual environment in .venv; one of Python 3.11 to 3.14 with its venv module and make are all it
# takes.
#
#   make demo    a tour without a cluster        make test    the tests that need Python alone, in minutes
#   make bench   measurements                    make lint    ruff and mypy
#   make venv    only the environment            make clean   remove what these targets made
#   make test-kube      the tests that make test leaves out: with a real etcd, kube-apiserver, kube-scheduler and kubectl,
#                       and with Go, Rust, Zig and npm. Installs what it can, names what is missing, builds the programs
#   make coverage       the tests of make test, and which lines and branches of edged/ they reach
#   make fire    what was done to edged and held, once more, on loopback: a table of cases with what is expected of each.
#                QUICK=1: the short form, five minutes; ROWS="NAME ..." only these; FIRE="--json FILE" and other options.
#                Needs root rights and the programs of make test-kube
#   make differential   compare the scheduler with kube-scheduler on STATES (2000) random states; needs the cluster parts
#   make crds    write config/crds anew from their definition in code
#   make arm     the image for 64-bit ARM boards, built and run under emulation (arm-build/README.md)

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# The newest Python of the range in pyproject.toml that has venv (RATIONALE.md says why there is an upper end);
# PYTHON=... names another. Full paths stand behind the bare names for machines where a version manager hides them.
VERSIONS := 3.14 3.13 3.12 3.11
CANDIDATES := $(foreach v,$(VERSIONS),python$(v) /usr/bin/python$(v) /usr/local/bin/python$(v)) python3 python
SUPPORTED := import sys; v = sys.version_info; sys.exit(not (3, 11) <= v[:2] <= (3, 14) or v[:3] == (3, 14, 0))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c 'import venv, ensurepip; $(SUPPORTED)' 2>/dev/null && { echo $$p; break; }; done)
# The image for ARM boards holds files compiled by the Python that it ships.
ARM_PYTHON ?= $(shell for p in python3.11 /usr/bin/python3.11; do $$p -c 'import pip' 2>/dev/null && { echo $$p; break; }; done)

# Processes that make test spreads the tests over.
WORKERS ?= auto

.PHONY: venv demo test test-kube coverage bench fire lint arm crds clean differential

venv: $(STAMP)

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { \
	  for p in $(CANDIDATES); do $$p -c '$(SUPPORTED)' 2>/dev/null && { \
	    echo "$$p has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }; done; \
	  echo "edged needs Python 3.11, 3.12, 3.13 or 3.14, found: $$(python3 --version 2>&1 || echo no python3)." >&2; \
	  echo "Install one of them with its venv module, or run: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	  exit 1; }
	@$(PYTHON) -c '$(SUPPORTED)' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): edged needs 3.11 to 3.14, and not 3.14.0" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "creating $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing edged and its tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' --config-settings editable_mode=compat
	@touch $@

demo: $(STAMP)
	@$(BIN)/edged demo

test: $(STAMP)
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

test-kube: $(STAMP)
	@parts=$$($(BIN)/python -m tests.toolchains) && $(BIN)/python -m tests.cluster.build >/dev/null && \
	  EDGED_TESTS=$${EDGED_TESTS:-$$parts} $(BIN)/python -m pytest -m "kube or toolchains" $(PYTEST_ARGS)

coverage: $(STAMP)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --timeout 600 $(PYTEST_ARGS); \
	  failed=$$?; $(BIN)/coverage combine --quiet; $(BIN)/coverage report --skip-covered --sort cover; exit $$failed

differential: $(STAMP)
	@EDGED_TESTS=kube EDGED_STATES=$(or $(STATES),2000) $(BIN)/python -m pytest tests/cluster/test_scheduler_differential.py \
	  tests/cluster/test_preemption_differential.py --timeout 0 -o faulthandler_timeout=0 $(PYTEST_ARGS)

bench: $(STAMP)
	@$(BIN)/python -m tests.bench $(BENCH)

fire: $(STAMP)
	@$(BIN)/python -m tests.fire $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS)) $(FIRE)

lint: $(STAMP)
	@$(BIN)/ruff check --output-format concise .
	@$(BIN)/mypy

crds: $(STAMP)
	@$(BIN)/edged crds --directory config/crds

arm: $(STAMP)
	@test -n "$(ARM_PYTHON)" || { echo "the image needs Python 3.11 with pip to be built" >&2; exit 1; }
	@$(ARM_PYTHON) arm-build/build.py
	@$(ARM_PYTHON) arm-build/verify.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache arm-build/out
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
