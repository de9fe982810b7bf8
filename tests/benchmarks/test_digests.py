"""What the check of a table's digest costs: as a ratio to hashing the same bytes, and to reading the table without."""

import hashlib
import json
import time

import numpy as np
import pandas as pd

from ecgscale.contracts import PREDICTIONS, datapackage


def seconds(act, rounds: int = 5) -> float:
    """Of the processor, the fastest of some rounds."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        act()
        taken.append(time.process_time() - started)
    return min(taken)


def test_digest(benchmark, tmp_path):
    """A million rows of predictions: some 100 MB."""
    count, path = 1_000_000, tmp_path / "predictions.parquet"
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"record": [f"r{k}" for k in range(count)], "part": "test"} | {
        f"p_{k}": random.random(count) for k in range(12)})
    PREDICTIONS.write(rows, path)
    content = path.read_bytes()
    package = tmp_path / datapackage.NAME
    with_digest = seconds(lambda: PREDICTIONS.read(path))
    body = json.loads(package.read_text())
    checking = seconds(lambda: datapackage.is_changed(path, datapackage.described(path)))
    del body["resources"][0]["hash"]
    package.write_text(json.dumps(body))
    hashing, without = seconds(lambda: hashlib.sha256(content).hexdigest()), seconds(lambda: PREDICTIONS.read(path))
    benchmark.extra_info |= {"MB": len(content) / 1e6, "check_to_hash": checking / hashing,
                             "MB_per_s": len(content) / 1e6 / checking, "read_to_read_without": with_digest / without}
    benchmark.pedantic(lambda: PREDICTIONS.read(path), rounds=1)
