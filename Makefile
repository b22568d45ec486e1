# Everything runs from a virtual environment in .venv; Python 3.11 with its venv module and make are all it takes.
#
#   make demo    a tour without a cluster        make test    the tests that need no cluster parts
#   make bench   measurements                    make lint    ruff and mypy
#   make venv    only the environment            make clean   remove what these targets made
#   make differential   compare the scheduler with kube-scheduler on STATES (2000) random states; needs the cluster parts
#   make crds    write config/crds anew from their definition in code
#   make arm     the image for 64-bit ARM boards, built and run under emulation (arm-build/README.md)

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# pyproject.toml pins the minor version (RATIONALE.md says why); PYTHON=... names another interpreter.
PYTHON ?= $(shell for p in python3.11 python3 python /usr/bin/python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: venv demo test bench lint arm crds clean differential

venv: $(STAMP)

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { \
	  echo "edged needs Python 3.11 exactly, found: $$(python3 --version 2>&1 || echo no python3)." >&2; \
	  echo "Install python3.11 with its venv module, or run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module; on Debian: apt-get install python3.11-venv" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing edged and its tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' --config-settings editable_mode=compat
	@touch $@

demo: $(STAMP)
	@$(BIN)/edged demo

test: $(STAMP)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

differential: $(STAMP)
	@EDGED_STATES=$(or $(STATES),2000) $(BIN)/python -m pytest tests/kube/test_scheduler_differential.py \
	  tests/kube/test_preemption_differential.py $(PYTEST_ARGS)

bench: $(STAMP)
	@$(BIN)/python -m tests.bench $(BENCH)

lint: $(STAMP)
	@$(BIN)/ruff check --output-format concise .
	@$(BIN)/mypy

crds: $(STAMP)
	@$(BIN)/edged crds --directory config/crds

arm: $(STAMP)
	@$(BIN)/python arm-build/build.py
	@$(BIN)/python arm-build/verify.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache arm-build/out
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
