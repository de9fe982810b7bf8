#!/bin/bash
# Fills the environment /opt/ecgscale with the packages of requirements.lock, whose hashes are checked, then takes out what
# nothing here runs: a build of torch alone brings 200 MB of headers and test programs. $1: the torch that is wanted, cpu or cuda.
set -euo pipefail
export VIRTUAL_ENV=/opt/ecgscale UV_LINK_MODE=copy
[ -n "${UV_TORCH_BACKEND:-}" ] || unset UV_TORCH_BACKEND     # empty: torch comes from the index and folder of the rest

/opt/uv/bin/uv venv --quiet --python python3 "$VIRTUAL_ENV"
others='pytest|ruff|py-cpuinfo|iniconfig|pluggy|execnet|hypothesis|sortedcontainers|uv=|mkdocs|babel|backrefs|click|colorama|'
others+='ghp-import|markdown=|mergedeep|paginate|pathspec|platformdirs|pymdown|pyyaml-env|watchdog|absl-py|decorator|etils|'
others+='jsonpath-rw|mlcroissant|pandas-stubs|ply=|rdflib|six=|zipp'      # of development
{
    if [ "$1" = cpu ]; then
        grep -vE "^($others|nvidia-|cuda-|triton)" requirements.lock | sed -E 's/^torch==[0-9.]+/&+cpu/'
    elif [ "$(uname -m)" = x86_64 ]; then
        grep -vE "^($others|onnxruntime=)" requirements.lock && cat onnxruntime-gpu.lock
    else
        grep -vE "^($others)" requirements.lock
    fi
} | /opt/uv/bin/uv pip install --no-cache --quiet --require-hashes -r /dev/stdin

/opt/uv/bin/uv pip uninstall --quiet openvino-telemetry     # asks an analytics host; NNCF and OpenVINO go on without

cd "$VIRTUAL_ENV"/lib/python3*/site-packages
rm -rf torch/include torch/test pyarrow/include pyarrow/src numpy/_core/include tests     # 'tests': of iterative-stratification
find torch/bin -type f ! -name torch_shm_manager -delete
find . -depth -type d \( -name tests -o -name test \) ! -path '*.dist-info/*' -exec rm -rf {} +
rm -f pyarrow/*flight*.so*     # a network service nobody calls
if command -v strip >/dev/null; then
    strip --strip-unneeded torch/lib/*.so llvmlite/binding/*.so pyarrow/*.so*
fi

# bytecode once, here: a task starts in a fresh container and could keep none of its own
"$VIRTUAL_ENV/bin/python" -m compileall -q -j 0 . || true      # some packages ship templates that are not Python
"$VIRTUAL_ENV/bin/python" - "$1" <<'PYTHON'
# everything that is left still loads, and torch is the one that was asked for
import importlib.util, platform, sys
import lmfit, matplotlib.pyplot, nncf, numba, onnx, onnxruntime, onnxscript, openvino, pandas, pyarrow.csv, pyarrow.parquet
import safetensors.torch, scipy.optimize, scipy.signal, scipy.stats, shap, sklearn.ensemble, torch, wfdb
if importlib.util.find_spec("coremltools"):      # has no build for ARM
    import coremltools
cuda = torch.version.cuda is not None
if cuda != (sys.argv[1] == "cuda"):
    sys.exit(f"torch {torch.__version__} was installed, and the target wants {sys.argv[1]}: see containers/README.md")
if cuda and platform.machine() == "x86_64" and onnxruntime.cuda_version.split(".")[0] != torch.version.cuda.split(".")[0]:
    sys.exit(f"ONNX Runtime is built for CUDA {onnxruntime.cuda_version}, torch for {torch.version.cuda}: see packages.sh")
PYTHON
