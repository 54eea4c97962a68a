# make check        everything that CI runs
# make contract     the contract's style, its compatibility, and what is generated from it
# make languages    clients in Ruby and PHP, generated and compiled; needs both, and gRPC's plugins
# make sdks         builds, tests and packages the SDKs
# make doors        the same questions through every SDK and without one
# make attacks      the attacks and what became of each, from a run of all tests
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
# Two targets run at a time: seven minutes in all.
FUZZ_SHORT_SECONDS ?= 60
TOOLS := target/tools
TESTS_SAID := target/tests.txt

SDKS := go java python typescript

.PHONY: check check-rust lint build test test-every rows attacks deny contract languages oracles sdks $(SDKS:%=sdk-%) doors fuzz fuzz-short advisories differential timing bench

check: lint build rows deny contract oracles sdks doors fuzz-short

check-rust: lint build test deny

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features countersign-server/fuzzing --locked -- -D warnings

# The end-to-end tests run the program and the client's examples.
build:
	$(CARGO) build --workspace --bins --examples --locked

# What the tests say is kept for the table of attacks.
test: build
	@mkdir -p target
	bash -o pipefail -c '$(CARGO) test --workspace --locked | tee $(TESTS_SAID)'

# Every row of the attack tables has a test that passes.
rows: test
	python3 tests/attacks/report.py --quiet $(TESTS_SAID)

# A test that fails is in the table too.
attacks: build
	-$(MAKE) --no-print-directory test-every
	python3 tests/attacks/report.py $(TESTS_SAID)

test-every:
	@mkdir -p target
	bash -o pipefail -c '$(CARGO) test --workspace --locked --no-fail-fast | tee $(TESTS_SAID)'

deny: $(TOOLS)/bin/cargo-deny
	$(TOOLS)/bin/cargo-deny --workspace check bans licenses sources

oracles: build
	tests/oracles/run

contract:
	sdk/tools/check

languages: build contract
	sdk/tools/languages/check

sdks: $(SDKS:%=sdk-%)

$(SDKS:%=sdk-%): sdk-%: build
	sdk/$*/check

doors: sdks
	tests/doors/run

# The seeds and a minute of search for each target. Not in check-rust: libFuzzer is C++.
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
