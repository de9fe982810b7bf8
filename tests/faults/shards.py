"""Shards are tasks of their own: one that is killed is tried again alone. Three shards of a source by two recipes;
`make faults`."""

import csv
from collections import Counter

from ecgscale.contracts import SPLIT, Shard, SplitInfo, concatenated_digest
from tests.pipeline.conftest import nextflow, project  # noqa: F401
from tests.tiny_records import twelve_leads, write_record

# the data chapter alone, on a sheet and a study that were checked
DATA_ALONE = """
include { DATA } from './subworkflows/data'
workflow {
    rows = channel.of(file(params.input).resolveSibling('sheet.json'))
    DATA(rows, file(params.input), channel.value(file(params.study)), channel.value(file(params.study)),
         file("${projectDir}/assets/labels/physionet2021"), params + [shard_size: 2])
}
"""
# the first attempt at the second shard dies as a task does that needs more memory than there is: signal 9, status 137
KILLED_ONCE = """
process { withName: PREPARE { ext.code = { meta.id == 'mine-2of3' && task.attempt == 1 ? '; kill -9 $$' : '' } } }
"""


def test_a_killed_shard_is_tried_again_alone(tmp_path, project):  # noqa: F811
    (project / "main.nf").write_text(DATA_ALONE)
    rows = []
    for place in range(6):
        write_record(tmp_path / "mine" / f"g{place % 2}", f"A{place}", twelve_leads(1500, seed=place))
        rows.append(f"g{place % 2}/A{place},{place % 4}\n")
    (tmp_path / "people.csv").write_text("record,fold\n" + "".join(rows))
    (tmp_path / "sheet.csv").touch()
    (tmp_path / "sheet.json").write_text('[{"source": "mine", "path": "mine", "patients": "people.csv", "line": "2"}]')
    (tmp_path / "study.json").write_text(
        '{"name": "own", "split": {"method": "column"}, "data": {"recipe": ["study", "study-100"]}}')
    (tmp_path / "killed.config").write_text(KILLED_ONCE)
    run = nextflow(tmp_path, "--input", "sheet.csv", "--study", "study.json", "-c", "killed.config", project=project)
    assert run.code == 0, run.text

    with open(next((run.results / "pipeline_info").glob("*trace_*.txt")), newline="") as stream:
        tasks = list(csv.DictReader(stream, delimiter="\t"))
    attempts = Counter((task["name"].split(":")[-1], task["status"], task["exit"]) for task in tasks)
    assert attempts == {("PREPARE (mine-1of3)", "COMPLETED", "0"): 1, ("PREPARE (mine-2of3)", "FAILED", "137"): 1,
                        ("PREPARE (mine-2of3)", "COMPLETED", "0"): 1, ("PREPARE (mine-3of3)", "COMPLETED", "0"): 1,
                        **{(f"PREPARE (mine-{place}of3.study-100)", "COMPLETED", "0"): 1 for place in (1, 2, 3)},
                        ("SPLIT", "COMPLETED", "0"): 1, ("CARD", "COMPLETED", "0"): 1}

    shards = [Shard.read(path) for path in sorted((run.results / "corpus").glob("mine-?of3/shard.json"))]
    assert [(shard.shard, shard.found, shard.accepted) for shard in shards] == [
        ("1/3", 2, 2), ("2/3", 2, 2), ("3/3", 2, 2)]
    others = [Shard.read(path) for path in sorted((run.results / "corpus").glob("mine-?of3.study-100/shard.json"))]
    assert [(shard.rate, shard.accepted) for shard in others] == [(100.0, 2)] * 3
    info = SplitInfo.read(run.results / "corpus/split/split.json")
    assert info.corpus_digest == concatenated_digest(shard.digest for shard in shards)
    assert info.others == {"study-100": concatenated_digest(shard.digest for shard in others)}
    split = SPLIT.read(run.results / "corpus/split/split.parquet")      # the user's folds came all the way
    assert split["fold"].tolist() == [int(name[-1]) % 4 for name in split["record"]]
    assert (run.results / "corpus/card/card.html").is_file()
