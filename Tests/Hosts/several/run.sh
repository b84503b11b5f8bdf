#!/usr/bin/env bash
# Several plugins in one process: Swift and C, two of each, and one by several
# paths.
host=several
. "$(dirname "$0")/../support/host.sh"
. "$(dirname "$0")/../support/bad_guest.sh"
here=$root/Tests/Hosts/several
support=$root/Tests/Hosts/support
plain=$root/Tests/Hosts/plain
ends=$support/ends.py
bindings=$support/bindings.sh
out=$build/hosts/several
mkdir -p "$out"
several=$out/several

# The loop, the exits and the signals are the C host's. -rdynamic: the decoys.
gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -rdynamic \
  -I"$root/CSources/CPluginABI/include" -o "$several" "$here"/*.c \
  "$plain"/{calls,life,signals}.c \
  "$support"/{caller,checks,crowd,decoys,manners}.c -lpthread -ldl -lm || exit 1

# One file by three paths is one instance; a copy is another. All in one folder,
# since hard links do not leave their file system.
for plugin in PRICING CLOCK; do
  name=$work/${plugin,,}
  cp "${!plugin}" "$name.so"
  cp "${!plugin}" "$name-copy.so"
  ln -s "$name.so" "$name-link.so"
  ln "$name.so" "$name-hard.so"
  export "$plugin=$name.so" "${plugin}_COPY=$name-copy.so" \
    "${plugin}_LINK=$name-link.so" "${plugin}_HARD=$name-hard.so"
done
export PRICING_THIRD=$work/pricing-third.so
cp "$PRICING" "$PRICING_THIRD"
all=$PRICING,$PRICING_COPY,$CLOCK,$CLOCK_COPY

# What the second pricing sells.
export SECOND_DB=$work/second.db
python3 - "$SECOND_DB" <<'EOF' || exit 1
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                 " price TEXT NOT NULL, description TEXT)")
for id in range(1, 11):
    database.execute("INSERT INTO products VALUES (?, ?, ?, ?)",
                     (id, f"Second <{id}>", f"{id}.25", "Of the second"))
database.commit()
EOF

# One Swift and one C plugin, two Swift ones, two in C, and all, in either order.
for which in sc Cs sS cC sScC; do
  for scope in local global; do
    shows answers "$several" answers $which $scope
  done
done
shows answers "$several" aliases
rejects answers BAD_MIXED PRICING 'get_product_price' "$several" answers sS local
rejects answers BAD_MIXED CLOCK_COPY 'wait_both' "$several" answers cC global
rejects answers BAD_ERROR_OK PRICING_COPY 'not 1' "$several" answers sS local
# Two that are one: a copy that passes its calls on to the file it is a copy of.
meets=$work/meets
mkdir "$meets"
for plugin in PRICING CLOCK; do
  cp "$(bad_guest GUEST_GOOD $plugin)" "$meets/$plugin.so"
  notices answers 'configure refused' env "${plugin}_COPY=$meets/$plugin.so" \
    "$several" answers sScC local
  notices answers 'are one instance' env "${plugin}_COPY=${!plugin}" \
    "$several" answers sScC local
  notices answers 'is another instance' env "${plugin}_HARD=$meets/$plugin.so" \
    "$several" aliases
done

shows loop "$several" loop
rejects loop BAD_SERIAL CLOCK "the host's loop ticked" "$several" loop

shows deadlines "$several" deadlines
rejects deadlines BAD_DEADLINE CLOCK 'deadline expired' "$several" deadlines

shows untouched "$several" untouched
rejects_touching CLOCK_COPY "$several" untouched

shows quiet "$ends" -- "$several" quietly
rejects_printing CLOCK_COPY PRICING "$several" quietly

shows descriptors "$several" descriptors
rejects_descriptors CLOCK_COPY PRICING "$several" descriptors

shows threads "$several" threads
rejects threads BAD_THREAD_OPEN CLOCK_COPY ' blocks 0000000000000000' \
  "$several" threads
rejects threads BAD_THREAD_FAULTS CLOCK ' blocks ffff' "$several" threads
rejects threads BAD_BUSY PRICING_COPY 'not idle' "$several" threads

for scope in local global; do
  shows symbols "$several" symbols-$scope
  shows symbols "$bindings" "$all" "$several" symbols-$scope
done
# A plugin in C that is bound to a neighbour's uv_version under RTLD_GLOBAL.
exports=$(bad_guest BAD_EXPORT CLOCK)
binds=$(bad_guest BAD_BIND PRICING)
notices symbols 'uses uv_version of' env "CLOCK=$exports" "PRICING_COPY=$binds" \
  "$bindings" "$exports,$binds" "$several" answers cS global
rejects symbols BAD_EXPORT CLOCK_COPY 'is visible to all' \
  "$several" symbols-global
rejects symbols BAD_EXPORT CLOCK ' shows ' "$several" symbols-local
rejects symbols BAD_BIND CLOCK "used the host's uv_version" \
  "$several" symbols-local

shows fork "$several" fork
rejects fork BAD_FORK_CRASH PRICING_COPY 'ended with signal 6' "$several" fork
rejects fork BAD_FORK_HANG CLOCK_COPY 'ended with signal 9' \
  env PATIENCE=3 "$several" fork

for way in exit exit-thread exit-return; do
  shows exit "$ends" --runs 8 --status 7 -- "$several" $way
done
rejects_at_exit PRICING_COPY CLOCK_COPY CLOCK "$several" exit

for way in handler signalfd; do
  for signal in TERM INT; do
    shows killed "$ends" --runs 2 --signal $signal --says handled -- \
      "$several" $way
  done
done
shows killed "$ends" --runs 3 --says handled -- "$several" fault
rejects killed BAD_HANDLER_TERM CLOCK 'handler did not run' \
  "$ends" --signal TERM --says handled -- "$several" handler
rejects killed BAD_THREAD_OPEN PRICING_COPY "a thread of the plugin's took" \
  "$ends" --signal TERM --says handled -- "$several" signalfd
rejects killed BAD_HANDLER_FAULT CLOCK 'ended with status 66' \
  "$ends" --says handled -- "$several" fault

shows unload "$several" unload
rejects unload BAD_UNLOAD CLOCK 'exit status 139' "$several" unload
rejects unload BAD_RECONFIGURE CLOCK_COPY 'configure refused' "$several" unload
rejects unload BAD_RECONFIGURE_ANY PRICING 'answers 0, not 2' "$several" unload
result answers ok "$rejected faults noticed by these checks"
exit 0
