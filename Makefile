# Every target does its own set-up, so any of them can be the first one typed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# setup-uv may have put uv where a non-root shell does not look yet.
export PATH := $(PATH):$(HOME)/.local/bin
export MAKEFLAGS += --no-print-directory

UV_RUN := uv run --frozen
STAMPS := build/stamps

# Every target with a description, and the two that only those call.
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*## .*/\1/p' $(MAKEFILE_LIST)) book-now test-now

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/python $(STAMPS)/node ## Install what the book needs: Debian packages, uv, the locked Python and JavaScript packages

$(STAMPS)/debian-%: tools/setup-debian
	@mkdir -p $(@D)
	tools/setup-debian $*
	@touch $@

$(STAMPS)/python: pyproject.toml uv.lock tools/setup-uv $(STAMPS)/debian-book
	@mkdir -p $(@D)
	tools/setup-uv
	uv sync --frozen
	@touch $@

$(STAMPS)/node: book/package.json book/package-lock.json $(STAMPS)/debian-book
	cd book && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

book: ## Set up and build the book into book/_build/html
	@tools/timed 'make book' $(MAKE) book-now

book-now: $(STAMPS)/python $(STAMPS)/node
	$(UV_RUN) tools/build-book

lint: $(STAMPS)/python ## Check style, types (mypy --strict) and that data flows one way
	$(UV_RUN) ruff check .
	$(UV_RUN) ruff format --check .
	$(UV_RUN) mypy
	$(UV_RUN) lint-imports --no-logo

test: ## Set up, check style and types, bring the book up to date and run the tests
	@tools/timed 'make test' $(MAKE) test-now

test-now: $(STAMPS)/python $(STAMPS)/debian-test lint book-now
	$(UV_RUN) pytest

figures: $(STAMPS)/python ## Draw every figure of the book from data/raw into build/figures (SVG and PNG)
	$(UV_RUN) tools/make-figures

EXPERIMENTS ?= fig3 fig4a fig4b
experiment: $(STAMPS)/python $(STAMPS)/debian-kernel $(STAMPS)/debian-test ## Record the experiments anew into build/experiment (EXPERIMENTS="fig3 fig4a fig4b"; about an hour; goes on where it stopped)
	for name in $(EXPERIMENTS); do $(UV_RUN) faltcon lab run $$name --out build/experiment; done

compare: $(STAMPS)/python ## Show the recordings of make experiment beside the committed ones; fails where a median moved by more than 1 %
	$(UV_RUN) faltcon data compare build/experiment

environment: $(STAMPS)/python ## Write environment.yml (for conda users) from pyproject.toml and uv.lock
	$(UV_RUN) tools/make-environment

readme-figure: $(STAMPS)/python ## Draw the README's picture from the recordings
	$(UV_RUN) tools/make-readme-figure

test-kernel: $(STAMPS)/python $(STAMPS)/debian-kernel ## Build, boot and test a kernel with the series, and its KUnit suite (QEMU)
	$(UV_RUN) faltcon lab kernel test --base 6.1

test-kernel-full: test-kernel $(STAMPS)/debian-test ## The same with sanitizers under a storm, on 2 and 8 virtual CPUs, with real programs, in user-mode Linux
	$(UV_RUN) faltcon lab kernel test --base 6.1 --programs
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant debug --cpus 2
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant debug --cpus 8
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant kcsan --cpus 2
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant kcsan --cpus 8
	$(UV_RUN) faltcon lab kernel test --base 6.1 --arch um

bench-traffic: $(STAMPS)/python ## Measure the traffic engine against its peers (root; about 20 minutes)
	tools/setup-debian test bench
	$(UV_RUN) python tools/bench_traffic.py

bench-perf: $(STAMPS)/python $(STAMPS)/debian-test ## Measure the perf engine against its peers (root; STACKCOLLAPSE=path adds FlameGraph's)
	$(UV_RUN) python tools/bench_perf.py $(if $(STACKCOLLAPSE),--stackcollapse $(STACKCOLLAPSE))

CAPTURES ?= ../shared/captures
SECONDS_TO_FUZZ ?= 600
fuzz: $(STAMPS)/python ## Feed the traffic engine damaged captures (CAPTURES=folder, SECONDS_TO_FUZZ=600, WHOLE=1 for every cut and change)
	$(UV_RUN) python tools/fuzz_traffic.py $(CAPTURES) --seconds $(SECONDS_TO_FUZZ) $(if $(WHOLE),--whole)

clean: ## Remove everything that was built; recordings stay
	rm -rf build book/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
