# The tasks of this repository. `make` alone lists them. CONTRIBUTING.md says how long each takes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help demo test check build dist audit soak bench bench-quick bench-compare guard coverage fmt clean

CACHE := $(or $(WISP_CACHE_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/wisp)

# One folder for all of cargo's work, whatever starts it: Wasmtime is compiled once, and survives `git clone`.
export CARGO_TARGET_DIR ?= $(CACHE)/target
# Pythons of the machine are used; none is downloaded.
export UV_PYTHON_DOWNLOADS := never
# A cache that is made here belongs to one user, as wisp wants it.
$(shell mkdir -p -m 700 "$(CACHE)")

comma := ,
# How the wheels' worker is compiled: by a profile of what workers do (decision 021), and as one across all crates when it is linked (decision 005).
# Tests and the demo do without: the one takes as long as compiling Wasmtime twice, the other minutes after each change.
BY_PROFILE = profile="$$(scripts/profile.sh | tail -n 1)"; export CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)/profiled/target" RUSTFLAGS="-C embed-bitcode=yes -C profile-use=$$profile"
ACROSS_CRATES := -C lto=fat
PYTHON := .venv/bin/python
DENY := $(CACHE)/toolchains/cargo-deny/bin/cargo-deny

# The shell's PATH with a Rust that can compile for WASI first, for what builds guests.
RUST_WASI = guests="$$(scripts/rust-wasi.sh | tail -n 1)"; [ -z "$$guests" ] || export PATH="$$guests:$$PATH"

say = @printf '\n\033[1m== %s\033[0m\n' "$(1)"

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Build the examples, serve them, send them requests, swap a component live
	$(call say,First example: five languages behind one manifest)
	@$(RUST_WASI); $(PYTHON) -m examples.polyglot.demo
	$(call say,Second example: components that call each other$(comma) one of them swapped for another language live)
	@$(RUST_WASI); $(PYTHON) -m examples.cyber.demo
	$(call say,Third example: three languages that count in one key-value store$(comma) which outlives them)
	@$(RUST_WASI); $(PYTHON) -m examples.counter.demo

test: build ## Run all tests: of the core, and of everything on it
	$(call say,Tests of the core)
	cargo test --release --locked -p wisp-wasi -p wisp-host -p wisp-worker
	$(call say,Programs that tests speak to: minutes on a new machine)
	scripts/registries.sh > /dev/null
	scripts/cosign.sh > /dev/null
	$(call say,Tests of wisp)
	@$(RUST_WASI); set -x; $(PYTHON) -m pytest

check: build ## Check formatting, types, layers, lints and locks
	$(call say,Formatting and lints of Python)
	"$$(scripts/bootstrap.sh)" lock --check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check
	$(call say,Types and layers)
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy.stubtest --mypy-config-file pyproject.toml wisp._core
	.venv/bin/lint-imports --no-cache
	$(PYTHON) scripts/house.py
	$(call say,Formatting and lints of Rust)
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

build: ## Build wisp and its worker into .venv
	$(call say,Building wisp: minutes on a new machine$(comma) seconds after that)
	@uv="$$(scripts/bootstrap.sh)"; set -x; \
	cargo build --release --locked -p wisp-worker; \
	"$$uv" sync --locked

dist: build ## Make the wheels that users install, in dist/
	$(call say,Wheels: the worker is optimised by a profile and across all of its crates$(comma) which takes minutes; twenty the first time)
	$(PYTHON) -m maturin build --release --locked --out dist
	@$(RUST_WASI); $(BY_PROFILE); set -x; $(PYTHON) -m maturin build --release --locked --out dist --manifest-path crates/worker/Cargo.toml -- $(ACROSS_CRATES)
	"$$(scripts/bootstrap.sh)" build --package wisp-guest --wheel --out-dir dist

audit: ## Look for known faults and forbidden licences in what we depend on
	$(call say,Dependencies$(comma) with cargo-deny: compiling it takes minutes the first time)
	test -x "$(DENY)" || cargo install --quiet --locked --root "$(CACHE)/toolchains/cargo-deny" cargo-deny
	@uv="$$(scripts/bootstrap.sh)"; python="$$("$$uv" python find --no-project '>=3.11')"; set -x; \
	"$$python" scripts/audit.py --uv "$$uv" --deny "$(DENY)" $(if $(COMPLETE),--complete)

soak: build ## Let one fault after the other happen to a lattice of five machines, or SERVERS=3: ten minutes, or SECONDS=...; SEED=... again
	$(call say,Soaking; it wants the right to make network namespaces)
	@$(RUST_WASI); $(PYTHON) -m tests.e2e.faults.soak --seconds $(or $(SECONDS),600) $(if $(SEED),--seed "$(SEED)") $(if $(SERVERS),--servers)

bench: build ## Measure, side by side with Wasmtime and with servers of other kinds: half an hour, and at first twenty minutes for a worker as in wheels
	$(call say,The worker as users get it: optimised by a profile and across all of its crates$(comma) which takes minutes; twenty the first time)
	@$(RUST_WASI); $(BY_PROFILE); set -x; \
	cargo rustc --release --locked -p wisp-worker --bin wisp-worker -- $(ACROSS_CRATES); \
	install "$$CARGO_TARGET_DIR/release/wisp-worker" "$(CACHE)/work/wisp-worker"
	"$$(scripts/bootstrap.sh)" sync --locked --group bench
	$(call say,Measuring)
	@$(RUST_WASI); WISP_WORKER="$(CACHE)/work/wisp-worker" $(PYTHON) benches/run.py

bench-quick: build ## Measure a little of it: three minutes. What it finds goes to bench-quick.json, or FILE=...
	$(call say,Measuring with the worker as it was built$(comma) which is not optimised across its crates)
	@$(RUST_WASI); $(PYTHON) benches/run.py --quick --json "$(or $(FILE),bench-quick.json)"

bench-compare: ## Show what changed since BASE=<git revision>: micro-benchmarks in turn, and what requests take
	@test -n "$(BASE)" || { echo "say what to compare with: make bench-compare BASE=main" >&2; exit 2; }
	@$(MAKE) build
	$(call say,Comparing with $(BASE))
	@$(RUST_WASI); $(PYTHON) benches/compare.py "$(BASE)" $(if $(ROUNDS),--rounds "$(ROUNDS)") $(if $(ONLY),--only "$(ONLY)")

guard: build ## Count system calls and allocations of requests: they must be those of benches/guard.toml
	$(call say,A worker that counts its allocations)
	cargo build --release --locked -p wisp-worker --bench counted
	$(call say,Counting what requests take)
	@$(RUST_WASI); $(PYTHON) benches/guard.py $(if $(REASON),--reason "$(REASON)")

coverage: build ## Measure which lines and branches of the Python the tests reach
	@$(RUST_WASI); $(PYTHON) -m coverage run -m pytest
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report

fmt: build ## Format everything
	$(PYTHON) -m ruff check --fix --exit-zero --quiet
	$(PYTHON) -m ruff format
	cargo fmt --all

clean: ## Remove what was made in this folder; the cache stays (see `wisp cache`)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov dist src/wisp/_core*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +


