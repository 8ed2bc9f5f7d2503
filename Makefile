# The doors of the house. Everything real is in CMakePresets.json, ctest and tests/stories/run.
.DEFAULT_GOAL := build
.PHONY: sim sim-long build check test stories promtool bench bench-proxy bench-switchover lint asan coverage newcomer demo clean help
args ?=
SEED ?= 1
MINUTES ?= 60
TOTAL ?= 50M

build: ## Build everything for daily work (build/dev)
	@test -f build/dev/build.ninja || cmake --preset dev
	@cmake --build --preset dev

check: build ## The fast tests: units and house rules
	@ctest --test-dir build/dev --output-on-failure --timeout 120 -j 2

test: ## What CI runs: set-up, build, all tests, the short story set
	@./test.sh

stories: build ## Every story on real PostgreSQL; args="-k name --keep"
	@tests/stories/run --set all --evergres build/dev/evergres $(args)

promtool: build ## /metrics as Prometheus' own checker sees it (package prometheus, not installed by us)
	@if command -v promtool >/dev/null; then \
	  build/dev/metrics_test --gtest_filter='Metrics.PromtoolAgrees' && \
	  tests/stories/run --set all -k http/promtool --evergres build/dev/evergres; \
	else echo 'SKIPPED: promtool is not installed (apt-get install prometheus)'; fi

bench: ## Failover gaps and idle cost of the release build; args="-n 20"
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build --preset release
	@bench/failover $(args)
	@bench/idle

bench-proxy: ## The endpoint side by side with PgBouncer; args="--only cpu20,idle --rounds 1"
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build --preset release
	@bench/proxy $(args)

bench-switchover: ## The longest wait of a client in a switchover, and by hand; args="-n 20 --only ours"
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build --preset release
	@bench/switchover $(args)

lint: ## clang's eyes: dropped results, the GCC 12 rule, clang-tidy
	@tools/lint

sim: ## One simulated cluster, with its story; SEED=7, args="--plant no_end_of_grant"
	@test -f build/dev/build.ninja || cmake --preset dev
	@cmake --build --preset dev --target evergres-sim
	@build/dev/evergres-sim --seed $(SEED) --trace $(args)

sim-long: ## An hour of simulation and 50 million states of small worlds, counted; MINUTES=5 TOTAL=1M
	@test -f build/dev/build.ninja || cmake --preset dev
	@cmake --build --preset dev --target evergres-sim evergres-explore
	@mkdir -p build/long
	@build/dev/evergres-sim --seed $$(date +%s) --minutes $(MINUTES) >build/long/sim.log; \
	  sim=$$?; tail -n 3 build/long/sim.log; exit $$sim
	@build/dev/evergres-explore --total $(TOTAL) --memory 8192 >build/long/explore.log; \
	  walk=$$?; cat build/long/explore.log; exit $$walk
	@tools/count-walks build/long/sim.log build/long/explore.log

asan: ## The unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@test -f build/asan/build.ninja || cmake --preset asan
	@cmake --build --preset asan
	@ctest --test-dir build/asan --output-on-failure --timeout 600

coverage: ## The lines of src/core that its unit tests reach, all of them or it fails (gcovr)
	@tools/coverage $(args)

newcomer: ## ./demo.sh and ./test.sh in a fresh Debian 12 and 13 (root, debootstrap); args="trixie"
	@tools/newcomer $(args)

demo: ## A running cluster on this machine
	@./demo.sh

clean: ## Remove what was built
	@rm -rf build

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
