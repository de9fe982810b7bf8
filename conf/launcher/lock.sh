#!/usr/bin/env bash
# Writes requirements.lock from pyproject.toml, for every platform. What a GPU build of torch needs is left out: torch
# itself names these by exact version, and the CPU build needs none of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
.venv/bin/uv pip compile --quiet --universal --all-extras --no-header --no-annotate --no-emit-find-links --no-emit-index-url \
    pyproject.toml | grep -vE '^(nvidia-|cuda-|triton)' > requirements.lock.new
mv requirements.lock.new requirements.lock
