#!/usr/bin/env bash
# Every binding that the dynamic linker makes while a host runs: of a plugin to
# the C library, the compiler's, or itself, and of no other file to a plugin.
#   bindings.sh PLUGIN[,PLUGIN] COMMAND...
set -u
plugins=$1
shift
all=$(mktemp -d) || exit 1
trap 'rm -rf "$all"' EXIT
LD_DEBUG=bindings LD_DEBUG_OUTPUT=$all/of "$@" || exit 1
cat "$all"/of.* >"$all/all"

own=$(sed 's/\./\\./g; s/,/|/g' <<<"($plugins)")
bound=$(grep -cE "binding file $own " "$all/all")
if [ "$bound" -lt 5 ]; then # else this looks at nothing
  echo "only $bound bindings of the plugins seen"
  exit 1
fi
system='(libc|libm|libstdc\+\+|libgcc_s|libpthread|libdl|ld-linux[^/ ]*)\.so'
# A variable of the C library's, such as stderr, may lie in the program: it
# carries the library's version.
if grep -E "binding file $own " "$all/all" |
  grep -vE " to [^ ]*/$system|\[(GLIBC|GLIBCXX|CXXABI|GCC)_[^ ]*\]\$" |
  grep -vE "binding file ([^ ]*) \[0\] to \\1 |symbol .plugin_declaration'"; then
  echo 'a symbol of a plugin is bound to another file'
  exit 1
fi
if grep -E " to $own " "$all/all" |
  grep -vE "binding file $own |plugin_declaration'"; then
  echo 'a symbol of another file is bound to a plugin'
  exit 1
fi
echo "$bound bindings of the plugins, to the system's libraries and themselves"
