# Every target does its own set-up, so any of them can be the first one typed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# setup-uv may have put uv where a non-root shell does not look yet.
export PATH := $(PATH):$(HOME)/.local/bin
export MAKEFLAGS += --no-print-directory

UV_RUN := uv run --frozen
STAMPS := build/stamps

.PHONY: test-kernel test-kernel-full help setup book test lint clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/python $(STAMPS)/node ## Install what the book needs: Debian packages, uv, the locked Python and JavaScript packages

$(STAMPS)/debian-%: tools/setup-debian
	@mkdir -p $(@D)
	tools/setup-debian $*
	@touch $@

$(STAMPS)/python: pyproject.toml uv.lock tools/setup-uv
	@mkdir -p $(@D)
	tools/setup-uv
	uv sync --frozen
	@touch $@

$(STAMPS)/node: book/package.json book/package-lock.json $(STAMPS)/debian-book
	cd book && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

lint: $(STAMPS)/python ## Check style and types (ruff, mypy --strict)
	$(UV_RUN) ruff check .
	$(UV_RUN) ruff format --check .
	$(UV_RUN) mypy

test: $(STAMPS)/python $(STAMPS)/debian-test lint ## Run the tests
	$(UV_RUN) pytest

test-kernel: $(STAMPS)/python $(STAMPS)/debian-kernel ## Build, boot and test a kernel with the series (QEMU)
	$(UV_RUN) faltcon lab kernel test --base 6.1

test-kernel-full: test-kernel ## The same with the sanitizers, on 2 and 8 virtual CPUs
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant debug --cpus 2
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant debug --cpus 8
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant kcsan --cpus 8

clean: ## Remove everything that was built; recordings stay
	rm -rf build book/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
