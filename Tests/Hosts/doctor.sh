#!/bin/sh
# outboard-host doctor: our plugins pass; each deliberately sick plugin fails on
# exactly its fault; hostile files, usage, JSON. OB_BUILD is the build folder
# (default build), CC the compiler, JOBS how many plugins at once. Ends with the
# line 'doctor: N passed, N failed'.
set -u
cd "$(dirname "$0")/../.." || exit 1
DOCTOR_WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$DOCTOR_WORK"' EXIT
export DOCTOR_WORK
# The default database of the pricing plugin goes where nobody else looks.
HOME=$DOCTOR_WORK/home
export HOME
unset XDG_CACHE_HOME
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
mkdir "$HOME"
timeout 900 python3 Tests/Hosts/doctor.py "$@"
