# The few commands of this project; people and CI use the same.
#
#   make demo    installs the core (no torch) and inspects the bundled sample images
#   make setup   installs everything that developing needs
#   make test    runs the tests (ARGS="tests/models -x" for some of them)
#   make lint    style and types
#   make bench   runs one benchmark (BENCH=name of a file in benchmarks/)
#   make docs    writes the generated pages of docs/ anew
#
# uv installs some ten times faster than pip; it is used where it is found.
# On a machine without a GPU, TORCH_INDEX=URL may name a package index with CPU builds of torch.

PYTHON ?= python3
VENV ?= .venv
DEV_VENV ?= .venv-dev
OUT ?= demo-report
BENCH ?= quiet_minutes
UV := $(shell command -v uv 2>/dev/null)
TORCH_INDEX ?=

ifneq ($(wildcard ../shared/data),)
export FLAWSCOPE_DATA ?= $(abspath ../shared/data)
endif

# $(call install,FOLDER,WHAT): a virtual environment with this project, editable, at the tested versions.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "flawscope needs Python 3.11 or newer; found $$($(PYTHON) --version). Set PYTHON=..."; exit 2; }
	@echo "Installing flawscope$(2:.%=%) into $(1) ..."
	@$(if $(UV),$(UV) venv --quiet --allow-existing --python $(PYTHON) $(1),$(PYTHON) -m venv $(1))
	@$(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet --disable-pip-version-check) \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e '$(2)'
	@touch $(1)/.installed
endef

.PHONY: setup demo test lint bench docs clean

demo: $(VENV)/.installed
	$(VENV)/bin/flawscope demo --out $(OUT)

setup: $(DEV_VENV)/.installed

test: $(DEV_VENV)/.installed
	$(DEV_VENV)/bin/python -m pytest $(ARGS)

lint: $(DEV_VENV)/.installed
	$(DEV_VENV)/bin/ruff check src tests benchmarks docs
	$(DEV_VENV)/bin/ruff format --check src tests benchmarks docs
	$(DEV_VENV)/bin/mypy

bench: $(DEV_VENV)/.installed
	mkdir -p build
	$(DEV_VENV)/bin/python benchmarks/$(BENCH).py --json build/$(BENCH).json $(ARGS)

docs: $(DEV_VENV)/.installed
	$(DEV_VENV)/bin/python docs/generate.py

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,$(VENV),.)

$(DEV_VENV)/.installed: pyproject.toml constraints.txt
	$(call install,$(DEV_VENV),.[dev])

clean:
	rm -rf $(VENV) $(DEV_VENV) build dist $(OUT)
