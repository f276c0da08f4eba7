# Two commands do everything on a fresh machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow venv format lock clean

demo: $(VENV)/.users
	scripts/demo

test: $(VENV)/.developers
	scripts/check
	scripts/test

test-slow: $(VENV)/.developers
	$(BIN)/python -m pytest -m slow --timeout 3600

venv: $(VENV)/.developers

# The demo needs only what a user needs; the tests need the rest as well.
$(VENV)/.users: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[digits]'
	@touch $@

$(VENV)/.developers: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@ $(VENV)/.users

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

format: $(VENV)/.developers
	$(BIN)/ruff check --fix konvolut tests bench scripts
	$(BIN)/ruff format konvolut tests bench scripts

lock: $(VENV)/.developers
	scripts/lock

clean:
	rm -rf $(VENV) build *.egg-info
