# `make` alone lists what there is to do. Every target sets up what it needs.
SHELL := /bin/sh
VENV  := .venv/bin
# More test processes than cores: most of the time is spent waiting for the real components.
JOBS  ?= 4

# Every target starts Python anew, tests thousands of times: without compiled files each start takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-long check format bench bench-matcher bench-web bench-cwl bench-data conformance journeys screenshots docs build web web-types lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup:
	@python3 tools/setup.py

demo: setup  ## the whole system on this machine, with real jobs in it
	@python3 tools/web.py build --if-possible
	@$(VENV)/weyl demo

test:  ## every test but the long ones, against the real components
	@python3 tools/setup.py --system
	@python3 tools/web.py build --if-possible
	@$(VENV)/python -m pytest -n $(JOBS) --dist loadgroup

test-fast: setup  ## tests that need no database and start no system: under a minute
	@$(VENV)/python -m pytest -q -n 5 --dist worksteal --fast

test-long:  ## also what takes minutes: more examples, more systems, more kills; before a release
	@python3 tools/setup.py --system
	@python3 tools/web.py build --if-possible
	@$(VENV)/python -m pytest -n $(JOBS) --dist loadgroup --long

check: setup  ## format, lint, types, import contracts, architecture: under a minute
	@$(VENV)/ruff format --check --output-format concise . || { echo 'Run make format'; exit 1; }
	@$(VENV)/ruff check -q .
	@$(VENV)/mypy
	@$(VENV)/mypy --python-version 3.10 src/weyl_pilot
	@$(VENV)/vermin -q -t=3.9- --violations --no-tips --eval-annotations src/weyl_pilot
	@$(VENV)/lint-imports --no-cache
	@$(VENV)/python -m pytest -q -p no:cacheprovider tests/test_architecture.py tests/test_sql.py
	@python3 tools/web.py check --if-possible

format: setup  ## rewrite the sources in the house's format
	@$(VENV)/ruff format -q .
	@$(VENV)/ruff check -q --fix .
	@python3 tools/web.py format --if-possible

bench: setup  ## compare API, loop, tasks and bulk with DiracX and with bare work: BENCH="--only api"
	@$(VENV)/python -m tests.bench $(BENCH)

bench-matcher: setup  ## compare the matcher with bare claims on up to ten million jobs: MATCHER="--jobs 10000000"
	@$(VENV)/python -m tests.bench.matcher $(MATCHER)

bench-web: setup  ## compare pages over a million jobs with ten thousand, in Chromium: WEB="--jobs 100000"
	@$(VENV)/python -m tests.bench.web $(WEB)

bench-data: setup  ## compare the file catalogue and transfers with bare work and with Rucio: DATA="--files 10000000 --directory DIR"
	@$(VENV)/python -m tests.bench.data $(DATA)

conformance: setup  ## the CWL conformance tests of ../shared/cwl-conformance through a whole system: CONFORMANCE=dir TAGS=required
	@python3 tools/setup.py --system
	@$(VENV)/python tools/conformance.py

bench-cwl: setup  ## compare jobs in CWL with JDL and with cwltool: CWL="--only submission", CONFORMANCE=dir
	@$(VENV)/python -m tests.bench.cwl $(CWL)

journeys: setup  ## walk through every page in Chromium beside a million jobs of others: WEYL_BROWSER_JOBS=100000
	@python3 tools/setup.py --system
	@WEYL_BROWSER_JOBS=$${WEYL_BROWSER_JOBS:-1000000} $(VENV)/python -m pytest tests/browser -n0 -rA

screenshots: setup  ## the pictures of the documentation, from the pages as they are
	@$(VENV)/python tools/screenshots.py

docs: setup  ## the documentation as a site in build/site
	@$(VENV)/python tools/reference.py
	@$(VENV)/mkdocs build -q --strict

web: setup  ## the web pages, where their sources have changed
	@python3 tools/web.py build

web-types: setup  ## the OpenAPI document and the TypeScript types, after a change of routes or models
	@python3 tools/web.py types

build: web  ## the wheel in build/dist
	@$(VENV)/uv build -q --wheel --out-dir build/dist

lock: setup  ## pin new dependencies after a change of pyproject.toml
	@UV_PYTHON_DOWNLOADS=never $(VENV)/uv lock -q
	@$(VENV)/uv export -q --frozen --format requirements-txt --no-emit-project --all-extras --all-groups --no-header -o requirements.lock
	@rm uv.lock

clean:  ## remove everything that the other targets made
	@rm -rf .venv build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache
	@rm -rf web/node_modules src/weyl/web/static
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
