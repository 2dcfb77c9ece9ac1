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
	uv sync --frozen --compile-bytecode
	@touch $@

$(STAMPS)/node: book/package.json book/package-lock.json $(STAMPS)/debian-book
	cd book && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

book: ## Set up and build the book into book/_build/html
	@tools/timed 'make book' $(MAKE) book-now

book-now: $(STAMPS)/python $(STAMPS)/node
	$(UV_RUN) tools/build-book

site: book ## Make the folder that is published, build/site (URL=https://where.it/will/be/)
	$(UV_RUN) tools/make-site $(if $(URL),--url $(URL)) $(if $(RELEASE),--release)

check-site: site $(STAMPS)/debian-test ## Open every page of build/site in a browser: errors, access, speed, phone, keys, search, links
	SITE_UNDER_TEST=build/site $(UV_RUN) pytest $(addprefix tests/book/test_,pages.py views.py offline.py links.py site.py notebooks.py)

pdf: book $(STAMPS)/debian-pdf ## Make the PDF of the whole book, build/book.pdf (XeLaTeX)
	$(UV_RUN) tools/make-pdf

labs: $(STAMPS)/python ## Make the graded labs, build/labs: students' notebooks and autograders
	$(UV_RUN) faltcon labs make

OUT ?= ../faltcon-instructor
instructor-archive: $(STAMPS)/python ## Make solutions and hidden tests for your own seed, outside the project (SEED=number OUT=folder)
	@[ -n "$(SEED)" ] || { echo "give a seed that only you know: make instructor-archive SEED=4711" >&2; exit 2; }
	$(UV_RUN) faltcon labs archive --seed $(SEED) --out $(OUT)

check-notebooks: book ## Run each chapter's saved notebook by itself, as a reader would
	rm -rf build/notebooks && cp -r book/_build/html/_sources build/notebooks
	$(UV_RUN) jupyter execute --timeout=900 build/notebooks/*.ipynb

check-links: $(STAMPS)/python ## Follow the links that leave the project (needs the internet)
	$(UV_RUN) lychee --no-progress --max-retries 3 --exclude-loopback README.md CONTRIBUTING.md CHANGELOG.md 'book/*.md' book/references.bib

lint: $(STAMPS)/python ## Check style, types (mypy --strict) and that data flows one way
	$(UV_RUN) ruff check .
	$(UV_RUN) ruff format --check .
	$(UV_RUN) mypy
	$(UV_RUN) lint-imports --no-logo

test: ## Set up, check style and types, bring the book up to date and run the tests
	@tools/timed 'make test' $(MAKE) test-now

test-now: $(STAMPS)/python $(STAMPS)/debian-test lint book-now
	$(UV_RUN) pytest

reproduce: $(STAMPS)/python ## Check the paper's claims from the raw recordings; fails where a verdict or a recording changed
	@tools/timed 'make reproduce' $(UV_RUN) tools/reproduce

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

test-kernel-ci: $(STAMPS)/python $(STAMPS)/debian-kernel ## The same on one kernel, which has the KUnit suite built in: as much as fits beside other tests
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant kunit

test-kernel-model: $(STAMPS)/python $(STAMPS)/debian-kernel ## Play 10,000 events into a kernel with the series and into the model; all counters must agree
	$(UV_RUN) python tools/test_kernel_model.py --base 6.1

test-kernel-full: test-kernel $(STAMPS)/debian-test ## The same with sanitizers under a storm, on 2 and 8 virtual CPUs, with real programs, in user-mode Linux, on 5.10; each patch by itself
	$(UV_RUN) faltcon lab kernel lint --base 6.1
	$(UV_RUN) faltcon lab kernel test --base 6.1 --each-patch
	$(UV_RUN) faltcon lab kernel test --base 6.1 --programs
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant debug --cpus 2
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant debug --cpus 8
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant kcsan --cpus 2
	$(UV_RUN) faltcon lab kernel test --base 6.1 --variant kcsan --cpus 8
	$(UV_RUN) faltcon lab kernel test --base 6.1 --arch um
	$(UV_RUN) faltcon lab kernel test --base 5.10

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
