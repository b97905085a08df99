# What a newcomer types: `make demo` and `make test`. Everything happens inside .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PROJECT := setup.cfg pyproject.toml

.PHONY: demo test lint format bench gpu-check notebooks site clean

demo: $(VENV)/.installed
	$(BIN)/minifcn train synthetic --out runs/demo --steps 300 --overwrite
	$(BIN)/minifcn evaluate runs/demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2

# Run every notebook of the course from scratch, and keep its outputs.
notebooks: $(VENV)/.installed-test
	$(BIN)/python -m minifcn.course.execute notebooks/*.ipynb

# The course and the reference as pages: build/site/index.html. Sphinx wants all sources in one folder, as files.
site: $(VENV)/.installed-site
	rm -rf build/site-source build/site && mkdir -p build/site-source
	cp -r docs/* *.md notebooks build/site-source/
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs build/site-source build/site
	@echo "The site is there: build/site/index.html"

# mypy follows folders, not setup.cfg's package_dir: give it a tree of links in which folders lie as they are installed.
lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/types && mkdir -p build/types/minifcn
	ln -s $(addprefix ../../../,$(wildcard minifcn/*)) build/types/minifcn/
	ln -s ../../../kernels ../../../benchmarks build/types/minifcn/
	cd build/types && "$(CURDIR)/$(BIN)/mypy" --config-file ../../setup.cfg

bench: $(VENV)/.installed-bench
	$(BIN)/minifcn bench

# Everything about the GPU, with the Python that is there (no .venv, no network): right or wrong, and how fast. What it
# needs of minifcn costs NumPy and Numba; folders lie as installed in a tree of links, so nothing is installed either.
OUT ?= runs/gpu-check
GPU_CHECK_OPTIONS ?=
gpu-check:
	rm -rf build/gpu && mkdir -p build/gpu/minifcn
	ln -s $(addprefix ../../../,$(wildcard minifcn/*)) build/gpu/minifcn/
	ln -s ../../../kernels ../../../benchmarks build/gpu/minifcn/
	PYTHONPATH="$(CURDIR)/build/gpu$${PYTHONPATH:+:$$PYTHONPATH}" $(PYTHON) -P -m minifcn.benchmarks.gpu --out "$(OUT)" $(GPU_CHECK_OPTIONS)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "minifcn needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(BIN)/python $(PROJECT)
	@echo "Installing minifcn into $(VENV) (once; about a minute)"
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: $(BIN)/python $(PROJECT)
	@echo "Installing minifcn and what its tests need into $(VENV) (once; PyTorch is large)"
	$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(BIN)/python $(PROJECT)
	@echo "Installing minifcn and the peers it is measured against into $(VENV) (once; they are large)"
	$(PIP) install --editable '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-site: $(BIN)/python $(PROJECT)
	@echo "Installing minifcn and what makes its site into $(VENV) (once)"
	$(PIP) install --editable '.[site]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: $(BIN)/python $(PROJECT)
	@echo "Installing minifcn and its development tools into $(VENV) (once)"
	$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test
