# make check: everything that CI runs. make bench: figures of this machine.
CARGO ?= cargo

.PHONY: check check-rust check-oracles lint test bench

check: lint test check-oracles

check-rust: lint test

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

test:
	$(CARGO) build --locked
	$(CARGO) test --workspace --locked

check-oracles:
	$(CARGO) build --locked -p countersign
	tests/oracles/run

bench:
	$(CARGO) bench --locked --package countersign-proto --bench '*'
