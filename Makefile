# make demo   the whole line, from nothing to a daily-health record
# make test   what a newcomer and CI run
# make long   the tests that take half a minute each, which make test leaves out
# make faults the fault matrices, which write docs/faults.md and docs/records-faults.md; takes its time
# make endurance  long runs under kills and over a day, which write docs/endurance.md; wants a quiet machine
# make bench  the benchmarks, which write docs/benchmarks.md; wants a quiet machine
# make peers  install the official SDKs, which tests and benchmarks put beside ours, into the cache
# make check  style, types, floors and notebooks
# make lock   renew requirements.lock from pyproject.toml
# make clean  remove what make created here

.DEFAULT_GOAL := help
.PHONY: help demo test long faults endurance bench peers check lock clean
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

.venv/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "missing: Python 3.11 or newer (set PYTHON=/path/to/python3)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "missing: the venv module of $(PYTHON) (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@command -v git >/dev/null || { echo "missing: git (Debian: apt-get install git)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q k1nb # where PYTHONDONTWRITEBYTECODE is set, each process would do that anew
	@touch $@

demo: .venv/ready
	@$(BIN)/k1nb demo

test: .venv/ready
	$(BIN)/python -m pytest --numprocesses 3 --dist loadgroup

long: .venv/ready
	$(BIN)/python -m pytest -m long --numprocesses 3 --dist loadgroup

faults: .venv/ready
	$(BIN)/python -m tests.faults
	$(BIN)/python -m tests.faults.runs

endurance: .venv/ready
	$(BIN)/python -m tests.endurance

bench: .venv/ready peers
	$(BIN)/python -m benchmarks

peers: .venv/ready
	@$(BIN)/python -m benchmarks.peers

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m k1nb.records.lint

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra audio --extra demo --extra notify --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
