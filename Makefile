# Everything for a newcomer; underneath, cmake --preset NAME and ninja do the work.
.PHONY: help build test check bench score demo run install clean setup-% format

BIN := $(CURDIR)/build/release/bin
PREFIX ?= /usr/local
DESTDIR ?=
SHARED ?= $(CURDIR)/../shared

help:
	@echo "make run      build, and start headroomd in the foreground"
	@echo "make demo     the same 24 jobs, bare and under headroom"
	@echo "make test     build, and run every test"
	@echo "make check    format, tidy, include rule, sanitizers, a minute of fuzzing"
	@echo "make bench    what it costs, beside what this machine's kernel allows at best"
	@echo "make score    forecasts, limits and anomalies on the measuring data in ../shared, beside known methods"
	@echo "make install  DESTDIR= PREFIX=/usr/local"

setup-%:
	@tools/setup $*

build: setup-build
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build --preset release

build: | build/.made
build/.made:
	@mkdir -p build && touch build/.made

run: build
	@tools/run $(BIN) $(ARGS)

test: setup-test build
	@ctest --preset release -j2

check: setup-check
	@tools/check

bench: setup-bench build
	@bench/run.sh $(BIN)

score: build
	@tests/foresight/score.sh $(BIN) $(SHARED)

demo: build
	@$(BIN)/headroom-demo $(ARGS)

install: build
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

format:
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 -i

clean:
	@rm -rf build
