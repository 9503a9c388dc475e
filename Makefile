# Every target uses the project's own .venv; nothing is installed outside it.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
FLASK  := $(PY) -m flask --app app
UV     := $(shell command -v uv 2>/dev/null)

# PORT=8080 make run
ifdef PORT
export HALFHOUR_PORT := $(PORT)
endif
# uv does not read pip's own name for extra package folders.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
# Without stored bytecode every process of the program and of its tests would compile all libraries anew.
unexport PYTHONDONTWRITEBYTECODE
ifdef UV
INSTALL := uv pip install --quiet --python $(PY) -r
else
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check -r
endif

CORE  := $(VENV)/.core
DEV   := $(VENV)/.dev
# A plug-in that only tests/e2e needs takes most of a second to import in every process.
FAST  := tests/unit tests/contract tests/architecture -p no:schemathesis
DEMO  := HALFHOUR_GRID_SOURCE=simulated HALFHOUR_DATA_DIR=data/demo HALFHOUR_LOGS_DIR=logs/demo

.DEFAULT_GOAL := help
.PHONY: help setup run demo test check lint types format docs e2e ui slow slurm client assets bench lock full
# Two `make run` at once must not install twice into one environment.
.NOTPARALLEL:

help:  ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV)  ## make .venv with everything that `make check` needs

run: $(CORE)  ## start the app on 127.0.0.1:5000 (PORT=… for another port); no keys needed
	@$(FLASK) db upgrade
	@$(PY) -m scripts.welcome
	@exec $(PY) app.py

demo: $(CORE)  ## the same with a demo fleet on a simulated grid, kept apart in data/demo
	@$(DEMO) $(FLASK) db upgrade
	@$(DEMO) $(FLASK) demo load --keep
	@$(DEMO) $(PY) -m scripts.welcome
	@exec env $(DEMO) $(PY) app.py

test: $(DEV)  ## unit, contract and architecture tests
	$(PY) -m pytest $(FAST) -m "not slow and not postgres and not slurm" -n auto -q

check: lint types test slow e2e slurm ui docs  ## everything: what CI runs

lint: $(DEV)  ## ruff and the import rules
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports

types: $(DEV)  ## mypy, strict
	$(PY) -m mypy

format: $(DEV)  ## settle layout and imports
	$(PY) -m ruff check --fix --select I .
	$(PY) -m ruff format .

slow: $(DEV)  ## the slow tests, and the storage suite again on PostgreSQL
	$(PY) -m pytest $(FAST) -m "(slow or postgres) and not slurm" -n auto -q || [ $$? -eq 5 ]

slurm: $(DEV)  ## hand-over to a real slurmctld, slurmd and munge on loopback (needs Slurm and root; else skipped)
	$(PY) -m pytest tests/contract/executors tests/e2e/test_slurm.py -m slurm -q

e2e: $(DEV)  ## the running app over HTTP
	$(PY) -m pytest tests/e2e -m "not slurm" -n 2 --dist loadfile --no-loadscope-reorder -q

ui: $(DEV)  ## the pages in a browser (needs chromium)
	$(PY) -m pytest tests/ui -n 2 --maxschedchunk 1 -q

docs: $(DEV)  ## check links, examples and the settings page
	$(PY) -m scripts.check_docs

client:  ## pack the command-line client into build/halfhour, one file to copy
	$(PYTHON) scripts/pack_client.py build/halfhour

assets:  ## copy the front-end files of package.json into static/vendor (needs npm)
	$(PYTHON) scripts/assets.py

bench: $(DEV)  ## run the benchmarks and print their tables
	$(PY) -m benchmarks

lock:  ## compile the requirements locks (needs uv; ARGS=--upgrade to move versions)
	$(PYTHON) scripts/lock.py $(ARGS)

full: $(CORE)  ## add the predictors' libraries (torch, xgboost) to .venv
	$(INSTALL) requirements.txt

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Halfhour needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(CORE): requirements-core.txt | $(PY)
	$(INSTALL) requirements-core.txt
	@touch $@

$(DEV): requirements-dev.txt | $(PY)
	$(INSTALL) requirements-dev.txt
	@touch $(CORE) $@
