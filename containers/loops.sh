#!/bin/bash
# Compiles the loops (numba) once, while an image is made, by doing on a few recordings and runs what the tasks do. They
# lie beside the code then, owned by root; a task reads them there (ecgscale.machine.compiled). As root, in the image.
set -euo pipefail
folder=$(mktemp -d)
export TMPDIR=$folder MPLCONFIGDIR=$folder         # nothing of this user stays in /tmp: an engine may copy it to the task
cd "$folder"
assets=$(python -c "from ecgscale.paths import ASSETS; print(ASSETS)")
study=$assets/studies/mini.yaml
{
    ecg-synth --out recordings --records 120 --sources georgia
    ecg-prepare --source georgia --folder recordings/georgia --study "$study" --out shard
    ecg-split --corpus shard --study "$study" --out split
    ecg-fit --runs "$assets/examples/runs.csv" --study "$study" --out fit --cpus 1
} >told 2>&1 || { cat told; exit 1; }
python - <<'PYTHON'
import numpy as np
from ecgscale.training.augment import Drawn, augment, white_noise
augment(np.zeros((1, 64, 12), np.float16), Drawn.none(1, 64, np.arange(12)), 0, white_noise(64, np.random.default_rng(0)))
PYTHON
rm -rf "$folder"
[ -n "$(find "${assets%/assets}" -name '*.nbc' -print -quit)" ]       # else nothing was kept
