# ewebrtc: the few commands a developer needs. Each installs what Debian must provide first (scripts/deps.sh), and only
# what is missing; Rust itself comes from rustup (https://rustup.rs).
#
#   make demo    two phones call each other through a gateway in the same process; writes target/demo/
#   make demo-conference   four phones confer; each recording has the other three tones
#   make test    everything: format, all tests with the browser's and those of every language, clippy, documentation. A language whose
#                tools cannot be had is a failure, unless ALLOW_NOT_RUN names it (ALLOW_NOT_RUN=swift make test)
#   make install PREFIX=/usr/local   header, libraries, pkg-config file and CMake package for C and C++
#   make bench   what calls cost and how long they take, in a release build; writes target/bench/
#   make build   all libraries and programs, development profile
#   make deps    the Debian packages for all of this
#   make fmt     formats the sources          make clean   removes target/

# A fresh rustup puts cargo here, and a shell that was open before, or one of a build server, does not know it yet.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo demo-conference test install bench build deps fmt clean

help:
	@sed -n 's/^#   //p' Makefile

deps:
	@scripts/deps.sh build test python c

demo:
	@scripts/deps.sh build
	cargo run --locked --example demo

demo-conference:
	@scripts/deps.sh build
	cargo run --locked --example conference

test:
	@scripts/deps.sh build test
	@scripts/deps.sh python c || true # without them the steps of these languages say so, and fail unless ALLOW_NOT_RUN names them
	@scripts/test.sh

install:
	@scripts/deps.sh build
	scripts/install-c.sh --prefix $(or $(PREFIX),/usr/local)

bench:
	@scripts/deps.sh build
	@scripts/bench.sh

build:
	@scripts/deps.sh build
	cargo build --locked --workspace

fmt:
	cargo fmt --all

clean:
	cargo clean
