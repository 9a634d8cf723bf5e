# The checkout's commands. They ask of a machine Python 3.11 or later, git and make.

python := .venv/bin/python
installed := .venv/.installed

.PHONY: help run test setup lint format bench screenshots docs clean

help:
	@echo 'make run          a network in .state/, served here, its console in this terminal'
	@echo 'make test         set up and run all tests; make test ARGS="-k names" for some'
	@echo 'make setup        the program at .venv/bin/wardgate'
	@echo 'make lint         ruff, mypy --strict, import contracts (make test runs them too)'
	@echo 'make bench        all figures; make bench ONLY=NAME for one'
	@echo 'make screenshots  the pictures in screenshots/'
	@echo 'make docs         docs/commands.md, from the commands themselves'

run: $(installed)
	@bin/run

# Packages that are missing and cannot be installed are named; the tests that need them say so and are skipped.
test: $(installed)
	@bin/packages tests/packages.txt || true
	@bin/provider || true
	@$(python) -m pytest -n auto --dist worksteal $(ARGS)

setup: $(installed)

$(installed): pyproject.toml constraints.txt bin/setup
	@bin/setup
	@touch $@

lint: $(installed)
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/lint-imports

format: $(installed)
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

bench: $(installed)
	@$(python) -m bench $(ONLY)

screenshots: $(installed)
	@bin/packages screenshots/packages.txt
	$(python) -m screenshots

docs: $(installed)
	$(python) -m console.commandline.docs > docs/commands.md.new
	mv docs/commands.md.new docs/commands.md

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
