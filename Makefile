# Striketape. `make demo` runs the desk on a simulated day; `make test` proves it.
SHELL := /bin/sh
VENV ?= .venv
PY := $(VENV)/bin/python
WORKERS ?= 2
.DEFAULT_GOAL := help
.PHONY: help venv sync lock ui ui-test demo demo-review demo-reset test check lint types imports bench verify migrate up down logs compose-config

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

venv: ## the environment with the locked packages
	@scripts/setup.sh

sync: venv ## the same; kept for habit

lock: venv ## pin requirements*.in with hashes, wheels for every platform
	$(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  -o requirements.txt requirements.in
	$(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  -c requirements.txt -o requirements-dev.txt requirements-dev.in
	$(VENV)/bin/pip freeze > docs/runtime_versions.txt

ui: venv ## build the page, with the machine's Node or the one of the environment
	@$(PY) -m run.build_ui

ui-test: venv ## lint, type-check, test and build the page alone
	@$(PY) -m run.build_ui test

demo: venv ## a simulated trading day: DURATION=120 SEED=7 SPEED=10 SCENARIO=half_day RECORDING=folder DAY=2013-10-08
	@$(PY) -m run.build_ui || echo "demo: going on without the page; the API works" >&2
	@$(PY) -m run.demo

demo-review: venv ## the page and the log of the last demo, when it has ended
	@$(PY) -m run.demo --review

demo-reset: venv ## forget the demo's log and ledgers
	@$(PY) -m run.demo --reset

test: venv ## everything: lint, types, contracts, unit to end-to-end; SAMPLES=folder adds recorded days
	@$(MAKE) --no-print-directory -j 2 browser check ui
	@# Hundreds of processes are started: where none may keep what it compiled, each compiles all anew.
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: browser
browser:
	@if [ "$${CI:-}" = true ]; then scripts/browser.sh; fi

check: lint types imports ## static checks

lint: venv
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: venv
	@$(VENV)/bin/mypy

imports: venv
	@$(VENV)/bin/lint-imports

bench: venv ## measure, one JSON line each, and make docs/performance.md: BENCH=name FULL=1
	@$(PY) -m benchmarks $(BENCH) $(if $(FULL),--full)

.PHONY: crash
crash: venv ## faults by the thousand, in slices: LOG_LIVES=10000 TRADER_LIVES=200 SEEDS=20; docs/faults.md
	@SEED="$(SEED)" SEEDS="$(SEEDS)" LOG_SEED="$(LOG_SEED)" LOG_LIVES="$(LOG_LIVES)" \
	  TRADER_SEED="$(TRADER_SEED)" TRADER_LIVES="$(TRADER_LIVES)" \
	  SLICE_MINUTES="$(SLICE_MINUTES)" $(PY) -m tests.crash.many_seeds

.PHONY: disk-full
disk-full: venv ## the log on small disks that run full; needs root and the right to mount
	@$(PY) -m pytest tests/crash/disk_full.py -rs

.PHONY: sim
sim: venv ## lives of the trader in virtual time: SEEDS=10000, goes on where it stopped; SEED=7 repeats one
	@SEED=$(SEED) SEEDS=$(SEEDS) $(PY) -m tests.sim.many_seeds

.PHONY: mutation
mutation: venv ## every edit of the rules for entries must fail a unit test: MODULE=gates FRESH=1
	@MODULE="$(MODULE)" FRESH="$(FRESH)" $(PY) -m tests.mutation.run

.PHONY: golden
golden: venv ## named days against their records: DAY=fomc_day OTHER_PROCESSOR=1; REASON="..." writes what changed
	@DAY="$(DAY)" SEED="$(SEED)" REASON="$(REASON)" OTHER_PROCESSOR="$(OTHER_PROCESSOR)" $(PY) -m pytest tests/golden_days/all_days.py -n $(WORKERS) -rA --durations 0

.PHONY: fuzz
fuzz: venv ## a million malformed payloads all the way: PAYLOADS=1000000, goes on where it stopped; SEED=7 repeats one
	@SEED=$(SEED) PAYLOADS=$(PAYLOADS) $(PY) -m tests.fuzz.many

.PHONY: live-check
live-check: venv ## what the vendors do today, read-only, with .env: LISTEN=300 seconds; docs/live_tests.md
	@LIVE_CHECK_SECONDS="$(or $(LISTEN),300)" $(PY) -m pytest tests/live -vv -rs

.PHONY: seeded-bugs
seeded-bugs: venv ## forty bugs put in one by one: the tests must catch them; BUG=7 tries one again
	@BUG=$(BUG) $(PY) -m tests.seeded_bugs.run

.PHONY: docs
verify: venv ## is the log what was sealed? exit 1 names the first touched event
	@$(PY) -m run.verify

docs: venv ## write the generated pages, and fixtures of new versions of events
	@$(PY) -m domain.risk.codes > docs/denials.md
	@$(PY) -m domain.analytics.catalogue > docs/metrics.md
	@$(PY) -m domain.parameters > docs/parameters.md
	@$(PY) -m run.event_catalogue > docs/events.md
	@$(PY) -m domain.payloads.unusual_whales.endpoint_page > docs/unusual-whales.md
	@$(PY) -m tests.domain.event_fixtures

migrate: venv ## bring the database of DATABASE_URL up to date
	@$(PY) -m run.migrate

up: ## the services in containers, for real use
	docker compose up --build --detach

compose-config: venv ## whether Compose accepts compose.yaml with this .env
	@$(VENV)/bin/docker-compose -f compose.yaml config --quiet

down:
	docker compose down

logs:
	docker compose logs --follow --tail 100
