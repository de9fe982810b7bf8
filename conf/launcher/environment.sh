#!/usr/bin/env bash
# Makes .venv with the locked versions. UV_FIND_LINKS may name a folder of wheels (a CPU build of torch, say).
set -euo pipefail
cd "$(dirname "$0")/../.."

stop() { printf 'ecgscale: %s\n' "$*" >&2; exit 2; }

for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
    if command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found=$python; break
    fi
done
[ -n "${found:-}" ] || stop "no Python >= 3.11 found. Install one, as in: apt install python3 python3-venv, or brew install python; or set PYTHON"
rm -rf .venv
"$found" -m venv .venv 2>/dev/null || stop "$found cannot make environments. Install the module, as in: apt install python3-venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
export VIRTUAL_ENV=$PWD/.venv
.venv/bin/uv pip install --quiet --compile-bytecode -r requirements.lock
.venv/bin/uv pip install --quiet --no-deps --editable .
date > .venv/.ready
