#!/usr/bin/env bash
# Makes .venv of the files whose hashes requirements.lock holds. UV_FIND_LINKS may name a folder of wheels. With a CPU
# build of torch among them, or with UV_TORCH_BACKEND=cpu, that build is taken, and no GPU library.
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
grep '^uv==' requirements.lock | .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r /dev/stdin
export VIRTUAL_ENV=$PWD/.venv
if [ "${UV_TORCH_BACKEND:-}" = cpu ] || compgen -G "${UV_FIND_LINKS:-/nowhere}/torch-*+cpu-*.whl" >/dev/null; then
    chosen() { grep -vE '^(nvidia-|cuda-|triton)' requirements.lock | sed -E 's/^torch==[0-9.]+/&+cpu/'; }
else
    chosen() { cat requirements.lock; }
fi
chosen | .venv/bin/uv pip install --quiet --compile-bytecode --require-hashes -r /dev/stdin
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
rm -f .venv/bin/ecg-*       # here the commands are those of bin/, for the shell as for Nextflow
date > .venv/.ready
