# Everything here works on a fresh Debian 12 with Rust, git, make and curl: what is missing is
# installed first (scripts/install-tools.sh).

export DRAGOMAN_TOOLS ?= $(HOME)/.cache/dragoman/tools

export PATH := $(DRAGOMAN_TOOLS)/bin:$(PATH)

.PHONY: help run build test bench fuzz lint deb try-deb

help:
	@echo 'make run    build and start the gateway with its embedded backend on 127.0.0.1:8080'
	@echo 'make test   formatting, lints, documentation and all tests, real clients included'
	@echo 'make bench  the micro-benchmarks, the memory of a million entries, the instructions per request'
	@echo 'make fuzz   every decoder against libFuzzer, FUZZ_SECONDS=600 each, with a nightly compiler'
	@echo 'make lint   licences, banned and vulnerable dependencies'
	@echo 'make build  the binary as it is packaged: target/dist/dragoman'
	@echo 'make deb    a Debian package: target/debian/'
	@echo 'make try-deb  install and remove that package in a bare Debian tree; as root'

# exec, so that Ctrl-C reaches the gateway and make ends when the gateway has ended.
run:
	@scripts/install-tools.sh build
	@cargo build --release --locked --bin dragoman
	@exec "$${CARGO_TARGET_DIR:-target}/release/dragoman" run

build:
	@scripts/install-tools.sh build
	cargo build --profile dist --locked --bin dragoman

# DEB_BINARY packages a binary that is there already.
DEB_BINARY ?= $${CARGO_TARGET_DIR:-target}/dist/dragoman

deb: $(if $(filter file,$(origin DEB_BINARY)),build)
	@scripts/install-tools.sh deb
	mkdir -p target/deb/completions
	install -m 755 "$(DEB_BINARY)" target/deb/dragoman
	target/deb/dragoman man > target/deb/dragoman.1
	target/deb/dragoman completions bash > target/deb/completions/dragoman.bash
	target/deb/dragoman completions zsh > target/deb/completions/_dragoman
	target/deb/dragoman completions fish > target/deb/completions/dragoman.fish
	cargo deb --locked --no-build --output target/debian/

try-deb: deb
	@command -v debootstrap >/dev/null || scripts/install-tools.sh try-deb
	scripts/try-deb.sh

test:
	@scripts/install-tools.sh test
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

bench:
	@scripts/install-tools.sh bench
	cargo bench --locked --bench exchange --bench translation --bench memory
	scripts/count-instructions.sh

fuzz:
	@scripts/install-tools.sh fuzz
	scripts/fuzz.sh

lint:
	@scripts/install-tools.sh lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo deny --locked check bans licenses sources
# The advisory database is fetched; where it is out of reach that is said, and the rest still counts.
	@if cargo deny fetch db; then cargo deny --locked check advisories; \
	else echo 'lint: the advisory database is out of reach: advisories were NOT checked' >&2; fi
