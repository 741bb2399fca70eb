# Everything runs in .venv, which is made on first use; PYTHON names the interpreter it is made of.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test lint format types imports tests slow clean

demo: $(VENV)/installed
	$(BIN)/python -m experiments.demo

test: lint types imports tests

lint: $(VENV)/developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/developing
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/developing
	$(BIN)/mypy

imports: $(VENV)/developing
	$(BIN)/lint-imports

tests: $(VENV)/developing
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

slow: $(VENV)/developing
	$(BIN)/python -m pytest -m slow

$(VENV)/installed: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/developing: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(VENV)/installed $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
