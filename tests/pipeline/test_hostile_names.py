"""No name and no parameter becomes a word of the shell: every process in turn is given names that bash would read."""

import json
import re

from tests.pipeline.conftest import ROOT, copy_project, nextflow

NAME = "a b \"c\" 'd' [e] (f) & * ; `touch PWNED` | < # ! Ü"       # of files and folders
PROJECT = "it's a [project] (1) & * ; < # ! Ü"      # on PATH: without double quote and `
TEXT = f"{NAME} $(touch PWNED) ${{HOME}}"                           # a name with $ is refused: bash would expand it
# stands for every command: writes down its words, and makes the files that the pipeline goes on with
RECORDER = f"""#!{ROOT}/.venv/bin/python
import json, sys
from pathlib import Path
MADE = {{
    "ecg-prepare": ["signals.npy", "records.parquet", "rejects.csv", "shard.json"],
    "ecg-split": ["split.parquet", "split.json"], "ecg-card": ["card.html"],
    "ecg-sample": ["runs.jsonl", "plan.json", "memory.csv", "datapackage.json"],
    "ecg-tune": ["runs.jsonl", "tuning.csv"], "ecg-train": ["r1/run.json"], "ecg-evaluate": ["r1/metrics.csv"],
    "ecg-collect": ["runs.parquet"], "ecg-export": ["m1/export.json"], "ecg-bench": ["latency.parquet"],
    "ecg-merge": ["latency.parquet"],
    "ecg-scale": ["rounds.csv", "decision.json", "datapackage.json", "round-01.json"],
    "ecg-fit": ["laws.json"], "ecg-report": ["report.html", "answers.txt", "figures/laws.svg"],
}}
name = Path(sys.argv[0]).name
for made in MADE[name]:
    path = Path(sys.argv[sys.argv.index("--out") + 1]) / made
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{{"tuning": {{"group": "g"}}}}\\n{{}}\\n' if made == "runs.jsonl" else "")
Path("words.json").write_text(json.dumps(sys.argv))
"""


def words(run) -> dict[str, list[str]]:
    """What each command was called with."""
    called = [json.loads(path.read_text()) for path in (run.folder / "work").glob("*/*/words.json")]
    return {line[0].rsplit("/", 1)[1]: line[1:] for line in called}


def test_every_process_gets_the_names_whole(tmp_path):
    """Project, launch, work, results, checkpoints, study, sheet, recordings, patients, labels and latencies."""
    top = tmp_path / NAME
    top.mkdir()
    project = copy_project(tmp_path, PROJECT)
    for command in (project / "bin").iterdir():
        if command.name != "ecg-check":
            command.write_text(RECORDER)
    for folder in ("recordings", "labels", "latency"):
        (top / f"{folder} {NAME}").mkdir()
    (top / f"recordings {NAME}/x.hea").touch()
    (top / f"people {NAME}.csv").write_text("record,patient\nx,1\n")
    (top / f"latency {NAME}/latency.parquet").touch()
    (top / f"labels {NAME}/classes.csv").write_text("code\n1\n")
    quoted = [f'"{text} {NAME}{end}"'.replace('"c"', '""c""') for text, end in (("recordings", ""), ("people", ".csv"))]
    (top / f"sheet {NAME}.csv").write_text(f"source,path,patients\nmine,{','.join(quoted)}\n", encoding="utf-8")
    (top / f"study {NAME}.yaml").write_text((ROOT / "assets/studies/test.yaml").read_text())
    run = nextflow(top, "--input", f"sheet {NAME}.csv", "--study", f"study {NAME}.yaml", "--labels", f"labels {NAME}",
                   "--latency", f"latency {NAME}", "--checkpoints", f"{tmp_path}/points {TEXT}", project=project,
                   outdir=f"out {NAME}")
    assert run.code == 0, run.text
    called = words(run)
    assert set(called) == {path.name for path in (ROOT / "bin").iterdir()} & set(re.findall(r"ecg-\w+", RECORDER))
    for command, option, word in [
            ("ecg-prepare", "--folder", f"recordings/recordings {NAME}"),
            ("ecg-prepare", "--patients", f"patients/people {NAME}.csv"),
            ("ecg-prepare", "--labels", f"classes/labels {NAME}"), ("ecg-card", "--labels", f"labels/labels {NAME}"),
            ("ecg-evaluate", "--labels", f"labels/labels {NAME}"), ("ecg-export", "--labels", f"labels/labels {NAME}"),
            ("ecg-train", "--checkpoints", f"{tmp_path}/points {TEXT}"),
            ("ecg-tune", "--checkpoints", f"{tmp_path}/points {TEXT}")]:
        assert called[command][called[command].index(option) + 1] == word, f"{command} {option}"
    assert any(word.endswith(f"/latency {NAME}") for word in called["ecg-merge"])
    assert sorted(path.name for path in (top / f"out {NAME}").iterdir()) == [
        "corpus", "evaluated", "fit", "latency", "models", "pipeline_info", "plan", "report", "rounds", "table",
        "trained"]
    assert list(tmp_path.rglob("PWNED")) == []


def test_nothing_of_a_script_is_filled_in_unquoted():
    """What stands in ${...} of a script: a quoted word, a number or digest of Nextflow's own, or fixed words."""
    fixed = r"'[^'$]*'"
    word = rf"(?:quoted\([^()]*(?:\([^()]*\)[^()]*)*\)|{fixed})"
    count = r"(?:task\.ext\.here \?: )?task\.cpus"
    filled = re.compile(rf"{count}|task\.ext\.code|code|{word}|[\w.]+ \? {word}(?: \+ {word})* : {fixed}")
    found = 0
    for path in sorted(ROOT.glob("modules/*/main.nf")):
        for script in re.findall(r'"""\n(.*?)"""', path.read_text(), re.DOTALL):
            for inside in re.findall(r"(?<!\\)\$\{([^{}]*)\}", script):
                found += 1
                assert filled.fullmatch(inside), f"{path.parent.name}: ${{{inside}}}"
            assert not re.search(r"(?<!\\)\$[a-zA-Z]", script), path
    assert found > 50
