# `make demo` and `make test` do all the set-up on a fresh machine: they install what is missing (where there is apt), build, start
# what they need, and stop it.

RECOTEM_BIND ?= 127.0.0.1:8000
# Dependencies are compiled once for tests, end-to-end tests and the demo: see [profile.demo] in Cargo.toml.
PROFILE := demo
# What users run is what is measured.
BENCH_PROFILE ?= release
# The program as the tests build it, with the features of their libraries: after them it costs nothing.
TESTED := cargo test --workspace --profile $(PROFILE) --locked --no-run --quiet
TARGET := $(or $(CARGO_TARGET_DIR),target)
DEMO_ARGS ?=
DATA ?= ../shared/data
SIZES ?= 1000000 3000000 10000000 30000000 100000000
SOCKETS ?= 5000
ROWS ?= 10000000
DEMO_DATA_DIR ?= data/demo

# Most integration tests wait for processes and databases rather than compute.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))

.PHONY: help build demo test test-full test-api test-artifact test-dates test-writers test-webhooks test-sources test-airec test-snippets test-rust test-docs test-web test-e2e lint bench-build bench-cold bench-features bench-peers bench-reading bench-scale bench-tuning bench-serving bench-events bench-sockets bench-sources bench-webhooks ui openapi clean bench-lists

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ui ## Build the release binary, with the UI inside: target/release/recotem
	scripts/install-tools rust
	cargo build --release --locked

demo: ui ## Run everything on sample data, on http://localhost:8000 (DEMO_ARGS="--exit" stops at the end)
	scripts/install-tools rust postgresql
	cargo build --profile $(PROFILE) --locked
	$(TARGET)/$(PROFILE)/recotem demo --data-dir $(DEMO_DATA_DIR) --bind $(RECOTEM_BIND) $(DEMO_ARGS)

test: lint test-rust test-web test-e2e ## Run every check: lints, unit, integration and browser tests, the demo
	@echo "All tests passed."

test-full: export PICTURES := all
test-full: test test-dates test-artifact test-writers test-webhooks test-sources test-airec test-snippets test-api ## Run the same, and the test targets below except test-docs
	@echo "All tests passed, and the server does what its document says."

test-dates: ui ## Run the integration tests on awkward days and in other time zones; about twenty minutes
	scripts/install-tools rust postgresql
	PROFILE=$(PROFILE) scripts/test-dates

test-artifact: ui ## Check that models read in Python with safetensors and numpy give the same lists
	scripts/install-tools rust
	$(TESTED)
	scripts/check-artifact $(TARGET)/$(PROFILE)/recotem

test-writers: ui ## Check that tables written by pandas, polars and DuckDB are read to the same rows
	scripts/install-tools rust
	$(TESTED)
	scripts/check-writers $(TARGET)/$(PROFILE)/recotem

test-webhooks: ui ## Check that webhook messages are verified by the packages of Python and Node, and survive a kill
	scripts/install-tools rust postgresql python node
	$(TESTED)
	scripts/check-webhooks $(TARGET)/$(PROFILE)/recotem

test-sources: ui ## Read from a PostgreSQL and a MariaDB that are started for it, in good and in bad times
	scripts/install-tools rust postgresql mariadb zstd python
	$(TESTED)
	PROFILE=$(PROFILE) scripts/check-sources $(TARGET)/$(PROFILE)/recotem
	scripts/check-deliveries $(TARGET)/$(PROFILE)/recotem
	scripts/check-files $(TARGET)/$(PROFILE)/recotem

test-airec: ui ## Check that a client that was written for AiREC gets everything from the addresses below /airec
	scripts/install-tools rust postgresql curl node python
	$(TESTED)
	scripts/check-airec $(TARGET)/$(PROFILE)/recotem

test-snippets: ui ## Run the programs that the studio offers to copy, in curl, JavaScript, Python, PHP and Go
	scripts/install-tools rust postgresql curl node python php go
	$(TESTED)
	scripts/check-snippets $(TARGET)/$(PROFILE)/recotem

test-api: ui ## Run Schemathesis against a running server: no 5xx, nothing undocumented; about five minutes
	scripts/install-tools rust postgresql curl
	$(TESTED)
	scripts/check-api $(TARGET)/$(PROFILE)/recotem

lint: ui ## Check formatting and lints
	scripts/install-tools rust
	cargo fmt --all --check
	cargo clippy --workspace --profile $(PROFILE) --all-targets --locked -- -D warnings

test-rust: ui ## Run unit, property and integration tests on a real PostgreSQL, and check the documents
	scripts/install-tools rust postgresql python
	cargo test --workspace --profile $(PROFILE) --locked
	scripts/check-docs $(TARGET)/$(PROFILE)/recotem

test-docs: ui ## Check the commands, paths and links in README.md, CONTRIBUTING.md and docs/
	scripts/install-tools rust python
	$(TESTED)
	scripts/check-docs $(TARGET)/$(PROFILE)/recotem

test-web: ui ## Check the types, lints and unit tests of the UI
	cd web && npm run --silent check

test-e2e: ui ## Run a real browser against a real server, and the demo to its end
	scripts/install-tools rust postgresql chromium curl
	$(TESTED)
	scripts/end-to-end $(TARGET)/$(PROFILE)/recotem

ui: ## Build the browser UI, into web/dist
	scripts/install-tools node
	scripts/build-ui

bench-peers: ## Compare speed with irspack, implicit, pandas and Optuna, on folders of train.csv.gz and test.csv.gz below DATA
	cargo build --profile $(BENCH_PROFILE) --locked
	benches/peers/compare $(TARGET)/$(BENCH_PROFILE)/recotem $(DATA)

bench-cold: ## Compare recommendations of new items with irspack, LightFM and scikit-learn, on three data sets below DATA
	cargo build --profile $(BENCH_PROFILE) --locked
	benches/cold/compare $(DATA) --binary $(TARGET)/$(BENCH_PROFILE)/recotem --sets "$(SETS)"

bench-features: ## Time encoding features of items, the map to new items, and extending a model
	cargo bench --profile $(BENCH_PROFILE) --locked -p recotem-ml --bench features

bench-lists: ## Time the lists of all users beside one list after another
	cargo bench --profile $(BENCH_PROFILE) --locked -p recotem-ml --bench lists

bench-build: ## Time the build from a clone, its dearest parts, and what a change of one line costs
	benches/build/measure $(PROFILE)

bench-reading: ## Time reading CSV on one thread beside the csv crate
	cargo bench --profile $(BENCH_PROFILE) --locked -p recotem-tabular --bench reading

bench-scale: ## Measure seconds and memory for SIZES of generated interactions
	cargo build --profile $(BENCH_PROFILE) --locked
	benches/scale/measure $(TARGET)/$(BENCH_PROFILE)/recotem $(SIZES)

bench-tuning: ## Compare the search with random draws and Optuna, on the data sets below DATA; about half an hour
	benches/tuning/compare $(DATA) $(BENCH_PROFILE)

bench-serving: ## Measure predictions over HTTP beside a bare echo, on DATA/gowalla/train.csv.gz
	cargo build --profile $(BENCH_PROFILE) --locked
	cargo bench --profile $(BENCH_PROFILE) --locked --bench serving -- $(abspath $(TARGET)/$(BENCH_PROFILE)/recotem) $(abspath $(DATA)/gowalla/train.csv.gz)

bench-events: ## Measure events over HTTP, one by one and in batches, with predictions beside them
	cargo build --profile $(BENCH_PROFILE) --locked
	cargo bench --profile $(BENCH_PROFILE) --locked --bench serving -- --events $(abspath $(TARGET)/$(BENCH_PROFILE)/recotem) $(abspath $(DATA)/gowalla/train.csv.gz)

bench-sockets: ## Measure the memory of SOCKETS idle live sockets, and the time a change takes to reach them
	cargo build --profile $(BENCH_PROFILE) --locked
	benches/sockets/measure $(TARGET)/$(BENCH_PROFILE)/recotem $(SOCKETS)

bench-sources: ## Measure rows a second and memory of reading ROWS rows from a PostgreSQL and a MariaDB on this machine
	scripts/install-tools rust postgresql mariadb python
	cargo build --profile $(BENCH_PROFILE) --locked
	benches/sources/measure $(TARGET)/$(BENCH_PROFILE)/recotem $(ROWS)

bench-webhooks: ## Measure deliveries of webhook messages to a receiver on this machine, and the time from an event to its first attempt
	cargo build --profile $(BENCH_PROFILE) --locked
	cargo bench --profile $(BENCH_PROFILE) --locked --bench webhooks -- $(abspath $(TARGET)/$(BENCH_PROFILE)/recotem)

openapi: ui ## Write web/openapi.json and the UI's types from the code
	cargo run --profile $(PROFILE) --locked -- openapi > web/openapi.json.new
	mv web/openapi.json.new web/openapi.json
	cd web && npm run --silent api-types

clean: ## Remove what was built
	cargo clean
	rm -rf web/dist web/node_modules data/demo
