# make check        everything that CI runs
# make check-rust   the part that needs Rust and a C compiler alone
# make differential ten million tokens, judged by us and by crate jsonwebtoken
# make fuzz         each fuzz target for FUZZ_SECONDS, an hour by default; needs a C++ compiler too
# make timing       what a stopwatch learns in a million samples: nothing
# make bench        figures of this machine
# make advisories   known vulnerabilities of dependencies; fetches the RustSec database
CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
FUZZ_SECONDS ?= 3600
FUZZ_SHORT_SECONDS ?= 15
TOOLS := target/tools

.PHONY: check check-rust lint build test deny oracles fuzz fuzz-short advisories differential timing bench

check: lint build test deny oracles fuzz-short

check-rust: lint build test deny

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

# The end-to-end tests run the program and the client's examples.
build:
	$(CARGO) build --workspace --bins --examples --locked

test: build
	$(CARGO) test --workspace --locked

deny: $(TOOLS)/bin/cargo-deny
	$(TOOLS)/bin/cargo-deny --workspace check bans licenses sources

oracles: build
	tests/oracles/run

# The seeds and some seconds of search. Not in check-rust: libFuzzer is C++.
fuzz-short: $(TOOLS)/bin/cargo-fuzz
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	fuzz/run $(FUZZ_SHORT_SECONDS)

fuzz: $(TOOLS)/bin/cargo-fuzz
	fuzz/run $(FUZZ_SECONDS)

advisories: $(TOOLS)/bin/cargo-deny
	$(TOOLS)/bin/cargo-deny --workspace check advisories

differential:
	TOKENS=10000000 $(CARGO) test --release --locked --package countersign-core --test differential -- --nocapture

timing:
	SAMPLES=1000000 $(CARGO) test --release --locked --test timing -- --nocapture --test-threads 1

bench:
	$(CARGO) bench --locked --package countersign-proto --bench '*'

$(TOOLS)/bin/cargo-deny:
	$(CARGO) install cargo-deny --version $(CARGO_DENY_VERSION) --locked --root $(TOOLS)

$(TOOLS)/bin/cargo-fuzz:
	$(CARGO) install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked --root $(TOOLS)
