# What a newcomer types. Every target sets itself up: a virtual environment in .venv from the locked requirements, nothing as root.
#   make demo    the whole system: sites, headend, gateway and an independent SCADA master, until Ctrl-C
#   make test    every gate, and every test at small counts
#   make soak    the same tests at full counts
#   make browser the analyst's page in a real browser (BROWSER=chromium), which has to be on the machine
#   make setup   the set-up alone (the only target that needs the network)

BIN := .venv/bin
READY := .venv/.ready
SHELL := /bin/bash

.PHONY: demo test soak browser gates setup generate format lock clean

demo: setup
	@$(BIN)/derms demo $(DEMO)

# Most tests wait for real processes rather than compute, so more of them run at once than there are cores.
TESTS := -n 4 --dist worksteal
PURE := tests/dermscore tests/audit tests/gateway/test_crossing.py tests/gateway/test_commands.py

test: gates
	$(BIN)/pytest $(TESTS) --cov --cov-report=term $(PURE)
	$(BIN)/pytest $(TESTS) $(PURE:%=--ignore=%) $(PYTEST)

soak: gates
	DERMS_SOAK=1 $(BIN)/pytest -n 2 --timeout=3600 $(PYTEST)

browser: setup
	$(BIN)/pytest tests/audit/browser.py $(PYTEST)

gates: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m wire.generate --check

setup: $(READY)

$(READY): deploy/set-up.sh pyproject.toml requirements/dev.txt
	@deploy/set-up.sh .venv requirements/dev.txt
	@touch $@

generate: setup
	$(BIN)/python -m wire.generate
	$(BIN)/python -m tests.docs.reference
	$(BIN)/python -m tests.audit.evidence.requirements_page

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs `uv`. The role locks are cut from the same versions as the developers' lock, so that what is tested is what is deployed.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
		--extra dev pyproject.toml -o requirements/dev.txt
	for role in headend agent gateway audit opt demo; do \
		uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
			--extra $$role -c requirements/dev.txt pyproject.toml -o requirements/$$role.txt; done

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov dist
