#!/usr/bin/env bash
# Writes requirements.lock from pyproject.toml: for every platform, a line a package, with the hashes of its files.
# torch has two builds: PyPI's, which asks for the GPU libraries, and "+cpu", which asks for none of them. The lock holds
# both: hashes of CPU builds come from UV_FIND_LINKS and from PyTorch's index, as far as they are reached, and from the
# lock as it was. Who takes the CPU build leaves the lines of GPU libraries out (environment.sh, containers/packages.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."

compile() {
    .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-find-links --no-emit-index-url \
        "$@" | sed -e ':next' -e '/\\$/{N;s/ *\\\n */ /;b next' -e '}'
}

(unset UV_FIND_LINKS && compile --all-extras pyproject.toml) > requirements.lock.new
torch=$(grep -oE '^torch==[0-9.]+' requirements.lock.new)
known=$({
    grep -hE "^$torch " requirements.lock requirements.lock.new
    compile --no-deps --torch-backend=cpu - <<< "$torch+cpu" 2>/dev/null || echo "PyTorch's index was not reached" >&2
    sha256sum "${UV_FIND_LINKS:-/nowhere}"/"${torch/==/-}"+cpu-*.whl 2>/dev/null | sed 's/^/--hash=sha256:/' || true
} | grep -oE -e '--hash=sha256:[0-9a-f]{64}' | sort -u | xargs)
sed -i -E "s/^($torch( ;[^-]*)?) .*/\1 $known/" requirements.lock.new
mv requirements.lock.new requirements.lock

# beside torch for CUDA 13 instead of the lock's onnxruntime: the newest that was built for it
compile --no-deps - <<< onnxruntime-gpu==1.31.1 > containers/onnxruntime-gpu.lock.new
mv containers/onnxruntime-gpu.lock.new containers/onnxruntime-gpu.lock
