# The list of commands. `make demo` and `make test` are all a fresh machine with Rust needs.

.DEFAULT_GOAL := help
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
NEXTEST_VERSION := 0.9.143
FUZZ_VERSION := 0.13.2
DENY_VERSION := 0.20.2
SQLX_VERSION := 0.9.0

.PHONY: help demo test lint release bench fuzz bless pictures sqlx-prepare tools bench-tools

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## build, then bring simulated phones and bases of two vendors through every station
	$(CARGO) run --quiet -- demo --once

test: tools lint release ## install what the tests need, then run all of them
	$(CARGO) nextest run --workspace --no-fail-fast

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) fetch --locked
	$(CARGO) deny --offline --log-level error check --hide-inclusion-graph licenses bans sources

# The symbols stand beside the program: gdb and perf find them by its debug link.
release: ## build the program as packages ship it: package/gangway in the target directory, its symbols beside it
	$(CARGO) build --release --locked --bin gangway
	mkdir -p $(TARGET)/package
	objcopy --only-keep-debug $(TARGET)/release/gangway $(TARGET)/package/gangway.debug
	cd $(TARGET)/package && objcopy --strip-all --add-gnu-debuglink=gangway.debug ../release/gangway gangway

bench: bench-tools tools release ## measure; the table of docs/performance.md
	benches/run.sh

fuzz: ## every target for ten minutes (SECONDS_EACH=60 for a look)
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --version $(FUZZ_VERSION) --locked
	fuzz/run.sh

bless: tools ## accept what the snapshot tests render now
	INSTA_UPDATE=always GANGWAY_UPDATE_FIXTURES=1 $(CARGO) nextest run --workspace --no-fail-fast

sqlx-prepare: ## check the queries again after changing one or a migration
	@command -v cargo-sqlx >/dev/null || $(CARGO) install sqlx-cli --version $(SQLX_VERSION) --locked --no-default-features --features sqlite
	dir=$$(mktemp -d) && export DATABASE_URL=sqlite://$$dir/gangway.db SQLX_OFFLINE=false \
	  && $(CARGO) sqlx database setup && $(CARGO) sqlx prepare -- --all-targets \
	  && rm -rf migrations/offline $$dir && mv .sqlx migrations/offline

pictures: tools ## take the pictures of docs/pictures anew
	@command -v pngquant >/dev/null || (apt-get update -q && apt-get install -qy pngquant)
	mkdir -p docs/pictures
	GANGWAY_PICTURES=docs/pictures $(CARGO) nextest run -E 'binary(browser) & test(pictures)'

tools: ## cargo-nextest, cargo-deny, python3, curl, openssl, node, Chromium and what drives it, schemathesis
	@command -v cargo-nextest >/dev/null || $(CARGO) install cargo-nextest --version $(NEXTEST_VERSION) --locked
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --version $(DENY_VERSION) --locked
	@command -v python3 >/dev/null && command -v curl >/dev/null && command -v openssl >/dev/null \
	  || (apt-get update -q && apt-get install -qy python3 curl openssl)
	@command -v npm >/dev/null || (apt-get update -q && apt-get install -qy npm)
	@command -v chromium >/dev/null || (apt-get update -q && apt-get install -qy chromium)
	@tests/npm.sh fixtures/redirect/hawk target/hawk hawk
	@python3 -c 'import ensurepip' 2>/dev/null || (apt-get update -q && apt-get install -qy python3-venv)
	@fixtures/rest/install.sh
	@tests/npm.sh tests/browser target/browser playwright-core

bench-tools:
	@command -v nginx >/dev/null && command -v wrk >/dev/null || (apt-get update -q && apt-get install -qy nginx-light wrk)
