# Outboard. `make demo` and `make test` do all set-up; `make help` lists more.
BUILD := build
CORE := CSources/COutboard
VERSION := $(shell sed -n 's/.*OB_VERSION_STRING "\(.*\)"/\1/p' \
  $(CORE)/include/outboard_status.h)
PREFIX ?= /usr/local
CC := gcc
CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wpedantic
# As shipped: position independent, hidden but for OB_API, no lazily allocated
# TLS (glibc aborts on it when memory is short), no path of the build machine,
# unwind tables for guard.h.
LIB_CFLAGS := $(CFLAGS) -fPIC -fvisibility=hidden -ftls-model=initial-exec \
  -fasynchronous-unwind-tables \
  '-ffile-prefix-map=$(CURDIR)=.' -I$(CORE)/include \
  $(shell pkg-config --cflags libuv 2>/dev/null)
JOBS := -j 2

.DEFAULT_GOAL := help
.PHONY: help setup lib plugins demo test test-c test-long test-swift test-install \
  test-hosts test-counters test-consumer sanitize sanitize-c sanitize-swift mutants models \
  test-cpp test-abi test-hygiene test-doctor abi abi-accept sanitize-cpp \
  format check-format install clean

help: ## List what can be made
	@echo "Outboard $(VERSION)"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
	  column -t -s '|'

setup: ## Install missing Debian packages (.ci/packages)
	@.ci/setup

# --- The C library -----------------------------------------------------------

# The SPI files serve the Swift layer only.
LIB_SRC := $(filter-out %/spi.c $(CORE)/src/spi_%.c,$(wildcard $(CORE)/src/*.c))
LIB_OBJ := $(LIB_SRC:$(CORE)/src/%.c=$(BUILD)/lib/%.o)
LIB := $(BUILD)/lib/liboutboard.a

lib: $(LIB) ## Build liboutboard.a

$(BUILD)/lib/%.o: $(CORE)/src/%.c
	@mkdir -p $(@D)
	@$(CC) $(LIB_CFLAGS) $(LTO) -MMD -c -o $@ $<

# One object, optimised as one (5% of a call, 20% of a post) and machine code
# when it leaves here, so that any compiler can link it. With clang: as it is.
ifneq (,$(findstring clang,$(CC)))
JOIN := ld -r
else
LTO := -flto=1
JOIN := $(CC) $(LIB_CFLAGS) $(LTO) -flto-partition=none -r -nostdlib \
  -flinker-output=nolto-rel
endif

# Internal symbols made local: only ob_* can meet a host's.
$(LIB): $(LIB_OBJ)
	@$(JOIN) -o $(BUILD)/lib/outboard-all.o $(LIB_OBJ)
	@objcopy --localize-hidden $(BUILD)/lib/outboard-all.o
	@rm -f $@
	@ar rcsD $@ $(BUILD)/lib/outboard-all.o
	@echo "built $@"

-include $(wildcard $(BUILD)/lib/*.d)

PUBLIC_HEADERS := $(filter-out %/outboard_spi.h,\
  $(wildcard $(CORE)/include/*.h $(CORE)/include/*.hpp))
SERIES := $(basename $(VERSION))
SUBST := sed -e 's/@VERSION@/$(VERSION)/' -e 's/@VERSION_SERIES@/$(SERIES)/'

install: $(LIB) ## Install for C hosts: make install PREFIX=/usr/local
	install -d '$(DESTDIR)$(PREFIX)/include' \
	  '$(DESTDIR)$(PREFIX)/lib/pkgconfig' \
	  '$(DESTDIR)$(PREFIX)/lib/cmake/Outboard'
	install -m 644 $(PUBLIC_HEADERS) '$(DESTDIR)$(PREFIX)/include'
	install -m 644 $(LIB) '$(DESTDIR)$(PREFIX)/lib'
	$(SUBST) $(CORE)/package/outboard.pc.in \
	  >'$(DESTDIR)$(PREFIX)/lib/pkgconfig/outboard.pc'
	install -m 644 $(CORE)/package/OutboardConfig.cmake \
	  '$(DESTDIR)$(PREFIX)/lib/cmake/Outboard'
	$(SUBST) $(CORE)/package/OutboardConfigVersion.cmake.in \
	  >'$(DESTDIR)$(PREFIX)/lib/cmake/Outboard/OutboardConfigVersion.cmake'

# --- Plugins and the host ----------------------------------------------------

ABI := CSources/CPluginABI
LINK := $(ABI)/link
UV_LIBDIR := $(shell pkg-config --variable=libdir libuv 2>/dev/null)
UV_STATIC := $(BUILD)/uv/libuv_plugin.a
PLUGIN_LDFLAGS := -shared -Wl,--version-script=$(LINK)/plugin.map \
  -Wl,-z,nodelete -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections
CLOCK := $(BUILD)/plugins/clock.so
PRICING := $(BUILD)/plugins/pricing.so
HOST := $(BUILD)/bin/outboard-call
DOCTOR := $(BUILD)/bin/outboard-host

# libuv for shared objects: see link/uv_stubs.c. Hosts such as Node export uv_*
# of their own; a plugin with its libuv inside and hidden cannot meet them.
$(UV_STATIC): $(UV_LIBDIR)/libuv_a.a $(LINK)/uv_stubs.c
	@mkdir -p $(@D)
	@objcopy --redefine-sym environ=ob__uv_environ \
	  --redefine-sym stderr=ob__uv_stderr \
	  --redefine-sym in6addr_any=ob__uv_in6addr_any \
	  --redefine-sym epoll_wait=ob__uv_epoll_wait \
	  --redefine-sym epoll_pwait=ob__uv_epoll_pwait \
	  --redefine-sym abort=ob__uv_abort \
	  --redefine-sym __assert_fail=ob__uv_assert_fail \
	  --redefine-sym pthread_atfork=ob__uv_atfork \
	  --redefine-sym epoll_create1=ob__uv_epoll_create1 \
	  --redefine-sym eventfd=ob__uv_eventfd \
	  --redefine-sym pipe2=ob__uv_pipe2 $< $@
	@$(CC) $(LIB_CFLAGS) -c -o $(BUILD)/uv/stubs.o $(LINK)/uv_stubs.c
	@ar rcsD $@ $(BUILD)/uv/stubs.o

$(CLOCK): CSources/ClockPlugin/clock.c $(wildcard $(ABI)/src/*.c \
    $(ABI)/include/*.h) $(LIB) $(UV_STATIC) $(LINK)/plugin.map
	@mkdir -p $(@D)
	@$(CC) $(LIB_CFLAGS) -I$(ABI)/include -o $@ $(PLUGIN_LDFLAGS) \
	  CSources/ClockPlugin/clock.c $(wildcard $(ABI)/src/*.c) \
	  $(LIB) $(UV_STATIC) -lpthread -ldl
	@echo "built $@"

# SwiftPM cannot run objcopy nor set a version script, so it builds an archive
# and swiftc links it here. The declaration comes as an object, since
# -static-stdlib hides what comes from archives.
SWIFT_OUT := $(BUILD)/swift
SQLITE_LIBDIR := $(shell pkg-config --variable=libdir sqlite3 2>/dev/null)
SWIFT_PLUGIN := $(SWIFT_OUT)/release/libPricingPlugin.a

.PHONY: swift-plugin
swift-plugin:
	@swift build -c release --product PricingPlugin --scratch-path $(SWIFT_OUT) \
	  -Xcc -ftls-model=initial-exec $(JOBS)

$(SWIFT_PLUGIN): swift-plugin ;

$(PRICING): $(SWIFT_PLUGIN) $(UV_STATIC) $(LINK)/plugin.map
	@mkdir -p $(@D)
	@$(CC) $(LIB_CFLAGS) -I$(ABI)/include -ICSources/CPricingPlugin/include \
	  -c -o $(BUILD)/pricing-declaration.o CSources/CPricingPlugin/declaration.c
	@swiftc -emit-library -static-stdlib -use-ld=lld -o $@ \
	  $(BUILD)/pricing-declaration.o $(SWIFT_PLUGIN) $(UV_STATIC) \
	  $(SQLITE_LIBDIR)/libsqlite3.a \
	  -l_FoundationCollections -l_FoundationCShims -lswiftSynchronization \
	  -Xlinker --version-script=$(LINK)/plugin.map \
	  -Xlinker -z -Xlinker nodelete -Xlinker -z -Xlinker defs \
	  -Xlinker -z -Xlinker relro -Xlinker -z -Xlinker now -Xlinker -s
	@echo "built $@"

$(HOST): $(wildcard CSources/OutboardCall/*.[ch]) $(wildcard $(ABI)/include/*.h)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -I$(ABI)/include $(shell pkg-config --cflags jansson) \
	  -o $@ $(filter %.c,$^) $(shell pkg-config --libs jansson) -lpthread -ldl
	@echo "built $@"

# jansson is linked statically: a plugin must not find it in this process.
$(DOCTOR): $(wildcard CSources/OutboardHost/*.[ch]) \
    $(addprefix CSources/OutboardCall/,call.h fail.c json.c plugin.c) \
    $(wildcard $(ABI)/include/*.h)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -I$(ABI)/include $(shell pkg-config --cflags jansson) \
	  -o $@ $(filter %.c,$^) -Wl,-Bstatic $(shell pkg-config --libs jansson) \
	  -Wl,-Bdynamic -lpthread -ldl -lm
	@echo "built $@"

plugins: $(CLOCK) $(PRICING) $(HOST) $(DOCTOR) ## Build both plugins and hosts

demo: setup ## Set up, build, and show the main job
	@$(MAKE) --no-print-directory plugins
	@.ci/demo

# --- Tests -------------------------------------------------------------------

test: setup ## Set up, build, and run every test
	@mkdir -p $(BUILD)
	@Tests/all.sh

# One by one:
# What the stand-ins for libuv's system calls have a part in.
STATIC_TOPICS := alloc_start broken broken_calls cq exit few fork forks guest \
  idle nap restart scarce seccomp stacks start stop uv wake
test-c: ## C tests: futexes, condition variables, and the libuv of plugins
	@$(MAKE) --no-print-directory -C Tests/C $(JOBS) VARIANT=release run
	@$(MAKE) --no-print-directory -C Tests/C $(JOBS) VARIANT=condvar run
	@$(MAKE) --no-print-directory -C Tests/C $(JOBS) VARIANT=static \
	  TOPICS='$(STATIC_TOPICS)' run

test-long: ## C tests at full length: 10,000 forks, a million starts, ...
	@$(MAKE) --no-print-directory -C Tests/C $(JOBS) VARIANT=release run-long

test-swift: ## Swift tests, with the executor SPI and without
	@Tests/swift.sh "debug" --scratch-path $(BUILD)/swift-test
	@OUTBOARD_NO_SPI=1 Tests/swift.sh "no SPI" \
	  --scratch-path $(BUILD)/swift-test-no-spi --filter OutboardTests

test-install: $(LIB) ## C and C++ hosts outside the tree
	@Tests/Install/run.sh

test-cpp: $(LIB) ## outboard.hpp, gcc and clang, and what unwinds
	@Tests/Cpp/run.sh

abi: $(LIB) ## Compare the public C interface with Tests/ABI/outboard.abi
	@Tests/ABI/abi.py check --library $(LIB)

abi-accept: ## Write Tests/ABI/outboard.abi anew, if the rules allow the change
	@Tests/ABI/abi.py accept

test-abi: $(LIB) ## The same check, and that it sees each kind of change
	@Tests/ABI/run.sh

test-hygiene: ## Archive and plugins: symbols, TLS, two copies
	@$(MAKE) --no-print-directory plugins
	@Tests/Hygiene/run.sh

.PHONY: hosts-setup hosts-readme
hosts-setup: setup
	@.ci/setup packages-hosts

test-hosts: hosts-setup ## The plugins in hosts of every kind
	@$(MAKE) --no-print-directory plugins
	@Tests/Hosts/outboard-call.sh
	@Tests/Hosts/plugins.sh
	@Tests/Hosts/doctor.sh
	@Tests/Hosts/matrix.sh $(HOSTS)

test-doctor: setup ## outboard-host doctor on good, sick and hostile plugins
	@$(MAKE) --no-print-directory plugins
	@Tests/Hosts/doctor.sh

hosts-readme: ## Write the README's table of hosts from the last test-hosts
	@Tests/Hosts/matrix.py --update README.md $(BUILD)/hosts/results.tsv

test-counters: ## Allocations of the Swift layer, counted
	@Tests/Counters/run.sh

test-consumer: ## A Swift package that depends on ours
	@Tests/consumer.sh

sanitize: sanitize-c sanitize-cpp sanitize-swift ## All tests under TSan and ASan+UBSan

sanitize-c: ## The C tests under TSan (gcc) and ASan+UBSan (clang)
	@$(MAKE) --no-print-directory -C Tests/C $(JOBS) VARIANT=tsan run
	@$(MAKE) --no-print-directory -C Tests/C $(JOBS) VARIANT=asan run

sanitize-cpp: ## The C++ tests under TSan and ASan+UBSan
	@Tests/Cpp/run.sh tsan
	@Tests/Cpp/run.sh asan

sanitize-swift: ## The Swift tests under TSan and ASan
	@Tests/swift.sh "thread sanitizer" --sanitize=thread \
	  --scratch-path $(BUILD)/swift-tsan
	@Tests/swift.sh "address sanitizer" --sanitize=address \
	  --scratch-path $(BUILD)/swift-asan

mutants: ## Take each guard out; its test must fail
	@Tests/C/mutants.sh
	@Tests/Cpp/mutants.sh

models: ## Verify the Spin models and their mutations
	@Tests/Models/run.sh

# --- Formatters --------------------------------------------------------------

C_FILES := $(shell git ls-files '*.c' '*.h' '*.cpp' '*.hpp' 2>/dev/null)
SWIFT_DIRS := Package.swift Sources Tests Benchmarks
CLANG_FORMAT := $(BUILD)/venv/bin/clang-format

$(CLANG_FORMAT):
	@mkdir -p $(BUILD)
	@python3 -m venv $(BUILD)/venv
	@$(BUILD)/venv/bin/pip install -q clang-format==23.1.5

format: $(CLANG_FORMAT) ## Format C and Swift
	@$(CLANG_FORMAT) -i $(C_FILES)
	@swift format --in-place --recursive $(SWIFT_DIRS)

check-format: $(CLANG_FORMAT) ## Fail when a file is not formatted
	@$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)
	@swift format lint --strict --recursive $(SWIFT_DIRS)

# --- Benchmarks --------------------------------------------------------------

include Benchmarks/Makefile

.PHONY: bench-setup bench bench-quick bench-report bench-readme

bench-setup: setup
	@.ci/setup packages-bench

bench-quick: bench-setup ## Compare with peers, under 60 s
	@$(MAKE) --no-print-directory bench-core
	@$(MAKE) --no-print-directory -k $(BENCH)/tokio-mt $(BENCH)/actor \
	  $(BENCH)/outboard-swift || \
	  echo "bench: what could not be built is named as missing" >&2
	@python3 Benchmarks/run.py quick $(BENCH_ARGS)

bench: bench-setup ## Compare everything, about 20 minutes
	@$(MAKE) --no-print-directory bench-core
	@$(MAKE) --no-print-directory -k bench-peers || \
	  echo "bench: what could not be built is named as missing" >&2
	@python3 Benchmarks/run.py full $(BENCH_ARGS)

bench-report: $(BENCH_VENV) ## Pictures, goals, a page and a table of the last run
	@$(BUILD)/venv-bench/bin/python Benchmarks/report.py $(BENCH_REPORT_ARGS)

bench-readme: ## Put the last full run into the README's table
	@$(MAKE) --no-print-directory bench-report \
	  BENCH_REPORT_ARGS='$(BUILD)/bench/full.jsonl --update README.md'

clean: ## Remove what was built
	rm -rf $(BUILD) .build
