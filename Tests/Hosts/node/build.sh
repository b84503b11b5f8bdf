# Sourced by run.sh: builds both addons and the bad variants into $out.
# shellcheck shell=bash
#
# engine.node is linked as a plugin is: the engine and its libuv become one
# object of which only ob_* is left to be seen, so that the uv_* of engine.c
# itself stay undefined and are Node's. A Node with a libuv of its own brings
# that one's headers; Debian's uses the system's.
node=$(command -v node || command -v nodejs) || {
  echo "node: no node on PATH" >&2
  exit 1
}
[ -x /usr/bin/node ] && node=/usr/bin/node
headers=
for folder in "$(dirname "$(dirname "$node")")/include/node" /usr/include/node \
  /usr/include/nodejs/src; do
  if [ -e "$folder/node_api.h" ]; then
    headers=$folder
    break
  fi
done
if [ -z "$headers" ]; then
  echo "node: no node_api.h; install libnode-dev" >&2
  exit 1
fi
here=$root/Tests/Hosts/node
out=$build/hosts/node
mkdir -p "$out"
export GUEST=$out/guest.node ENGINE=$out/engine.node

cat >"$out/addon.map" <<'END'
{
  global: napi_register_module_v1; node_api_module_get_api_version_v1;
  local: *;
};
END
flags=(-std=gnu11 -O2 -g -Wall -Wextra -Wpedantic -Werror -fPIC
  -fvisibility=hidden -I"$headers" -I"$root/CSources/CPluginABI/include"
  -I"$root/CSources/COutboard/include")
# What a header of Node's itself would be warned of is not ours to cure.
flags=("${flags[@]/-I$headers/-isystem$headers}")
addon=(-shared -Wl,--version-script="$out/addon.map")

gcc "${flags[@]}" "${addon[@]}" -o "$GUEST" "$here/guest.c" "$here/plugins.c" \
  "$MANNERS" -Wl,-rpath,"$(dirname "$MANNERS")" -lpthread -ldl || exit 1

ld -r -o "$out/engine-all.o" --whole-archive "$build/lib/liboutboard.a" \
  --no-whole-archive "$build/uv/libuv_plugin.a" || exit 1
objcopy --wildcard --keep-global-symbol='ob_[a-z]*' "$out/engine-all.o" ||
  exit 1
engine() { # NAME FLAG...
  local name=$1
  shift
  gcc "${flags[@]}" "${addon[@]}" -Wl,-z,nodelete "$@" -o "$out/$name.node" \
    "$here/engine.c" "$out/engine-all.o" -lpthread -ldl || exit 1
}
engine engine
engine bad_forgets -DBAD_FORGETS
engine bad_answers -DBAD_ANSWERS
# Linked as one would without thinking: its libuv is whatever the host has.
gcc "${flags[@]}" -fvisibility=default -shared -o "$out/bad_captured.node" \
  "$here/engine.c" "$build/lib/liboutboard.a" -lpthread -ldl || exit 1
