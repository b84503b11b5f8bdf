# Sourced by run.sh: builds the extension and makes a cluster.
# shellcheck shell=bash
#
# The engine and its libuv become one object of which only ob_* is left to be
# seen; the version script then hides these, too.
here=$root/Tests/Hosts/postgres
out=$build/hosts/postgres
config=/usr/lib/postgresql/15/bin/pg_config
[ -x "$config" ] || config=$(command -v pg_config) || {
  echo "postgres: no pg_config; install postgresql-server-dev-15" >&2
  exit 1
}
PGBIN=$("$config" --bindir)
headers=$("$config" --includedir-server)
mkdir -p "$out"
if ! [ -x "$PGBIN/initdb" ] || ! [ -e "$headers/fmgr.h" ]; then
  echo "postgres: no server; install postgresql-15, postgresql-server-dev-15" >&2
  exit 1
fi

cat >"$out/extension.map" <<'END'
{
  global: Pg_magic_func; _PG_init; pg_finfo_*; guest_*; engine_*;
  local: *;
};
END
ld -r -o "$out/engine-all.o" --whole-archive "$build/lib/liboutboard.a" \
  --no-whole-archive "$build/uv/libuv_plugin.a" || exit 1
objcopy --wildcard --keep-global-symbol='ob_[a-z]*' "$out/engine-all.o" ||
  exit 1
extension() { # NAME FLAG...
  local name=$1
  shift
  gcc -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fPIC "$@" \
    -isystem "$headers" -I"$root/CSources/CPluginABI/include" \
    -I"$root/CSources/COutboard/include" -shared \
    -Wl,--version-script="$out/extension.map" -Wl,-z,nodelete \
    -o "$out/$name.so" "$here/guest.c" "$here/engine.c" "$out/engine-all.o" \
    "$MANNERS" -Wl,-rpath,"$PGBASE" -lpthread -ldl || exit 1
  cp "$out/$name.so" "$PGBASE/"
}

# PostgreSQL does not run as root; then as its own user, or as nobody. What it
# loads is copied to where that user can read it.
PGBASE=$work/pg
chmod 711 "$work"
mkdir -p "$PGBASE/sock"
chmod 755 "$PGBASE"
PGDROP='setpriv --pdeathsig QUIT'
export PGBASE
trap 'trap "" TERM INT HUP; python3 "$here/ended.py"; rm -rf "$work"' EXIT
if [ "$(id -u)" -eq 0 ]; then
  user=nobody
  id -u postgres >/dev/null 2>&1 && user=postgres
  PGDROP="$PGDROP --reuid $(id -u $user) --regid $(id -g $user) --clear-groups"
  chown "$user" "$PGBASE/sock"
  install -d -o "$user" -m 700 "$PGBASE/data"
fi
cp "$MANNERS" "$PRICING" "$CLOCK" "$PGBASE/" || exit 1
cp "$CLOCK" "$PGBASE/parent.so" # another file: an instance of its own
PRICING=$PGBASE/$(basename "$PRICING") CLOCK=$PGBASE/$(basename "$CLOCK")
MANNERS=$PGBASE/$(basename "$MANNERS")
EXTENSION=$PGBASE/extension.so
export PGBIN PGDROP PRICING CLOCK EXTENSION LC_ALL=C
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGOPTIONS PGSERVICE PGDATA
extension extension
extension bad_wait -DBAD_WAIT
# shellcheck disable=SC2086
if ! $PGDROP test -r "$EXTENSION"; then
  echo "postgres: the server's user cannot read $PGBASE; set TMPDIR to a" \
    "folder that everybody can enter" >&2
  exit 1
fi
# In a session of its own: a signal for our group would end its children in
# the middle, and shared memory would be left.
# shellcheck disable=SC2086
(cd "$PGBASE" && setsid $PGDROP "$PGBIN/initdb" -D "$PGBASE/data" -U guest \
  -A trust -E UTF8 --no-locale -N >"$out/initdb.log" 2>&1) || {
  cat "$out/initdb.log"
  exit 1
}
# As a file, also for a server that a test starts by itself; the default leaves
# a file in /dev/shm when it is killed.
echo 'dynamic_shared_memory_type = mmap' >>"$PGBASE/data/postgresql.conf"
