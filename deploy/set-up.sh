#!/usr/bin/env bash
# Makes a virtual environment from a locked requirements file and installs this checkout into it. Nothing as root, nothing
# outside the environment's folder. Usage: deploy/set-up.sh VENV REQUIREMENTS
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 requirements=$2

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
python=
for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
  if [ -n "$candidate" ] && fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "set-up: no CPython 3.11, 3.12 or 3.13 found. Install one (Debian and Ubuntu: python3 and python3-venv;" \
    "RHEL-like: python3.12), or name it: make setup PYTHON=/path/to/python3" >&2
  exit 1
fi

if ! fits "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  rm -rf "$venv"
  if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    # Debian splits ensurepip off into python3-venv; a system pip can stand in for it.
    rm -rf "$venv"
    if ! { "$python" -m venv --without-pip "$venv" && "$python" -m pip --python "$venv/bin/python" install --quiet pip; }; then
      echo "set-up: $python has neither ensurepip nor pip. On Debian and Ubuntu: apt-get install python3-venv" >&2
      exit 1
    fi
  fi
fi

echo "set-up: installing $(grep -c '==' "$requirements") locked packages into $venv ($("$venv/bin/python" --version))"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r "$requirements"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
echo "set-up: done"
