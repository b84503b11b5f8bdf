#!/usr/bin/env bash
# A host on tokio: the plugins are called on the worker threads of its runtime,
# 32 tasks at once, where a plugin with a tokio inside panics or stalls (guest/).
# clock/ is our clock with a tokio in the place of the engine: right answers, and
# the checks find what its runtime does. Everything is Debian's, nothing fetched.
host=rust
. "$(dirname "$0")/../support/host.sh"
. "$(dirname "$0")/../support/bad_guest.sh"
here=$root/Tests/Hosts/rust
support=$root/Tests/Hosts/support
ends=$support/ends.py
bindings=$support/bindings.sh
out=$build/hosts/rust
ulimit -c 0

cargo=$(command -v cargo)
[ -x /usr/bin/cargo ] && cargo=/usr/bin/cargo
[ -x /usr/bin/rustc ] && export RUSTC=/usr/bin/rustc
if [ -z "$cargo" ] || [ ! -d /usr/share/cargo/registry ]; then
  echo "rust: no cargo or no /usr/share/cargo/registry; install cargo," \
    "rustc and librust-tokio-dev" >&2
  exit 1
fi

# Built from a copy: cargo writes its lock file beside the sources. The times of
# the files are kept, so that only what has changed is built again.
mkdir -p "$out/.cargo" "$out/home"
rm -rf "$out/host" "$out/guest" "$out/clock"
cp -a "$here/Cargo.toml" "$here/host" "$here/guest" "$here/clock" "$out" || exit 1
cat >"$out/.cargo/config.toml" <<'END'
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
END
(cd "$out" && env -u RUSTFLAGS -u CARGO_TARGET_DIR CARGO_HOME="$out/home" \
  "$cargo" build --release --offline --quiet) || exit 1
rust=$out/target/release/host
gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -fPIC -shared \
  -o "$out/libdecoys.so" "$support/decoys.c" || exit 1
decoys=(env LD_PRELOAD="$out/libdecoys.so")
export PRICING_COPY=$work/pricing-copy.so
cp "$PRICING" "$PRICING_COPY"

shows answers "$rust" answers
accepts answers GUEST_STRICT PRICING "$rust" answers
accepts answers GUEST_STRICT CLOCK "$rust" answers
rejects answers BAD_MIXED PRICING 'get_product_price' "$rust" answers
rejects answers BAD_MIXED CLOCK 'wait_both' "$rust" answers
rejects answers BAD_ERROR_OK CLOCK 'not 1' "$rust" answers

shows loop "$rust" loop
shows loop "$rust" stall
shows loop "$rust" current-thread
rejects loop BAD_SERIAL CLOCK 'the runtime ticked' "$rust" loop
rejects loop BAD_SLOW PRICING 'the runtime ticked' "$rust" loop

shows deadlines "$rust" deadlines
rejects deadlines BAD_DEADLINE CLOCK 'deadline expired' "$rust" deadlines

shows untouched "$rust" untouched
rejects_touching CLOCK "$rust" untouched

shows quiet "$ends" -- "$rust" quietly
rejects_printing CLOCK PRICING "$rust" quietly

shows descriptors "$rust" descriptors
rejects_descriptors CLOCK PRICING "$rust" descriptors

shows threads "$rust" threads
rejects threads BAD_THREAD_OPEN CLOCK ' 0000000000000000' "$rust" threads
rejects threads BAD_THREAD_FAULTS CLOCK ' ffff' "$rust" threads
rejects threads BAD_BUSY PRICING 'not idle' "$rust" threads

for scope in local global; do
  shows symbols "${decoys[@]}" "$rust" symbols-$scope
  shows symbols "$bindings" "$PRICING,$CLOCK" \
    "${decoys[@]}" "$rust" symbols-$scope
done
rejects symbols BAD_BIND CLOCK 'uses uv_version of' "$bindings" \
  "$work/BAD_BIND-CLOCK.so" "${decoys[@]}" "$rust" answers
rejects symbols BAD_BIND CLOCK "used the host's uv_version" \
  "${decoys[@]}" "$rust" symbols-local
rejects symbols BAD_EXPORT CLOCK 'is visible to all' \
  "${decoys[@]}" "$rust" symbols-global
rejects symbols BAD_EXPORT CLOCK 'a plugin shows' \
  "${decoys[@]}" "$rust" symbols-local

shows fork "$rust" fork
rejects fork BAD_FORK_CRASH PRICING 'wait status 0x6' "$rust" fork
rejects fork BAD_FORK_HANG CLOCK 'wait status 0x9' env PATIENCE=3 "$rust" fork
rejects fork BAD_SERIAL CLOCK 'wait status 0x9' env PATIENCE=3 "$rust" fork

for way in exit exit-blocking exit-return; do
  shows exit "$ends" --runs 10 --status 7 -- "$rust" $way
done
rejects_at_exit PRICING CLOCK CLOCK "$rust" exit

for signal in TERM INT; do
  shows killed "$ends" --runs 3 --signal $signal --says handled -- \
    "$rust" signals
done
shows killed "$rust" overflow
rejects killed BAD_HANDLER_TERM CLOCK 'signal stream said nothing' env PATIENCE=3 \
  "$ends" --signal TERM --says handled -- "$rust" signals
# Its handler has no stack of its own to run on, where Rust's has.
rejects killed BAD_HANDLER_FAULT CLOCK 'wait_status(11)' "$rust" overflow

shows unload "$rust" unload
rejects unload BAD_UNLOAD CLOCK 'exit status 139' "$rust" unload
rejects unload BAD_RECONFIGURE CLOCK 'configure' "$rust" unload
rejects unload BAD_RECONFIGURE_ANY PRICING 'configure answers [0, 0' \
  "$rust" unload

# clock with a tokio inside. It stands where bad_guest would build TOKIO.
cp "$out/target/release/libclock.so" "$work/TOKIO-CLOCK.so" || exit 1
for mode in answers loop deadlines; do
  accepts answers TOKIO CLOCK "$rust" $mode
done
rejects threads TOKIO CLOCK 'has a mask of its own' "$rust" threads
rejects fork TOKIO CLOCK 'wait status 0x9' env PATIENCE=3 "$rust" fork

result answers ok "$rejected bad guests rejected by these checks"
exit 0
