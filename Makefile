# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# They install what is missing (where there is apt), build, start what they need, and stop it.

RECOTEM_BIND ?= 127.0.0.1:8000
# Dependencies are compiled once for tests, end-to-end tests and the demo: see [profile.demo] in Cargo.toml.
PROFILE := demo
TARGET := $(or $(CARGO_TARGET_DIR),target)
DEMO_ARGS ?=
DATA ?= ../shared/data
SIZES ?= 1000000 3000000 10000000 30000000 100000000
SOCKETS ?= 5000
DEMO_DATA_DIR ?= data/demo

.PHONY: help build demo test test-full test-api test-artifact test-dates test-writers test-rust test-web test-e2e lint bench-peers bench-scale bench-tuning bench-serving bench-events bench-sockets ui openapi clean

help: ## What can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ui ## The release binary alone, with the UI inside: target/release/recotem
	scripts/install-tools rust
	cargo build --release --locked

demo: ui ## Everything on sample data, on http://localhost:8000 (DEMO_ARGS="--exit" stops at the end)
	scripts/install-tools rust postgresql
	cargo build --profile $(PROFILE) --locked
	$(TARGET)/$(PROFILE)/recotem demo --data-dir $(DEMO_DATA_DIR) --bind $(RECOTEM_BIND) $(DEMO_ARGS)

test: lint test-rust test-web test-e2e ## Everything: lints, unit, integration and browser tests, the demo
	@echo "All tests passed."

test-full: test test-dates test-artifact test-writers test-api ## The same, on awkward days, models read from Python, files of other programs, and the running server against its API document
	@echo "All tests passed, and the server does what its document says."

test-dates: ui ## The integration tests on awkward days and in other time zones; about twenty minutes
	scripts/install-tools rust postgresql
	PROFILE=$(PROFILE) scripts/test-dates

test-artifact: ui ## Models read in Python with safetensors and numpy give the same lists
	scripts/install-tools rust
	cargo build --profile $(PROFILE) --locked
	scripts/check-artifact $(TARGET)/$(PROFILE)/recotem

test-writers: ui ## Tables that pandas, polars and DuckDB write are read to the same rows
	scripts/install-tools rust
	cargo build --profile $(PROFILE) --locked
	scripts/check-writers $(TARGET)/$(PROFILE)/recotem

test-api: ui ## Schemathesis against a running server: no 5xx, nothing undocumented; about five minutes
	scripts/install-tools rust postgresql curl
	cargo build --profile $(PROFILE) --locked
	scripts/check-api $(TARGET)/$(PROFILE)/recotem

lint: ui ## Formatting and lints
	scripts/install-tools rust
	cargo fmt --check
	cargo clippy --profile $(PROFILE) --all-targets --locked -- -D warnings

test-rust: ui ## Unit, property and integration tests against a real PostgreSQL
	scripts/install-tools rust postgresql
	cargo test --profile $(PROFILE) --locked

test-web: ui ## Type check, lints and unit tests of the UI
	cd web && npm run --silent check

test-e2e: ui ## A real browser against a real server, and the demo to its end
	scripts/install-tools rust postgresql chromium curl
	cargo build --profile $(PROFILE) --locked
	scripts/end-to-end $(TARGET)/$(PROFILE)/recotem

ui: ## The browser UI, into web/dist
	scripts/install-tools node
	scripts/build-ui

bench-peers: ## Speed beside irspack, implicit, pandas and Optuna, on folders of train.csv.gz and test.csv.gz below DATA
	cargo build --profile $(PROFILE) --locked
	benches/peers/compare $(TARGET)/$(PROFILE)/recotem $(DATA)

bench-scale: ## Seconds and memory from SIZES of made-up interactions
	cargo build --profile $(PROFILE) --locked
	benches/scale/measure $(TARGET)/$(PROFILE)/recotem $(SIZES)

bench-tuning: ## The search beside random draws and Optuna, on the data sets below DATA; about half an hour
	benches/tuning/compare $(DATA) $(PROFILE)

bench-serving: ## Predictions over HTTP beside a bare echo, on DATA/gowalla/train.csv.gz
	cargo build --profile $(PROFILE) --locked
	cargo bench --profile $(PROFILE) --locked --bench serving -- $(abspath $(TARGET)/$(PROFILE)/recotem) $(abspath $(DATA)/gowalla/train.csv.gz)

bench-events: ## Events over HTTP, one by one and in batches, with predictions beside them
	cargo build --profile $(PROFILE) --locked
	cargo bench --profile $(PROFILE) --locked --bench serving -- --events $(abspath $(TARGET)/$(PROFILE)/recotem) $(abspath $(DATA)/gowalla/train.csv.gz)

bench-sockets: ## Memory of SOCKETS idle live sockets, and the time a change takes to reach all of them
	cargo build --profile $(PROFILE) --locked
	benches/sockets/measure $(TARGET)/$(PROFILE)/recotem $(SOCKETS)

openapi: ## web/openapi.json and the UI's types, from the code
	cargo run --profile $(PROFILE) --locked -- openapi > web/openapi.json
	cd web && npm run --silent api-types

clean: ## Remove what was built
	cargo clean
	rm -rf web/dist web/node_modules data/demo
