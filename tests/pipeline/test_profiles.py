"""What the cloud profiles resolve to, as Nextflow itself says, and what a run says where something is missing. No cloud
was reached by these tests."""

import os
import shutil
import subprocess

import pytest

from tests.pipeline.conftest import ROOT, nextflow

GIVEN = {"queue": "gpus", "region": "europe-west4", "account": "ecg-project", "service_account": "runner@ecg",
         "image": "registry.example/ecgscale:0.2.0-cuda", "bucket": "s3://ecg/here", "claim": "ecg-volume"}


@pytest.fixture
def resolved(tmp_path, monkeypatch):
    """`nextflow config -flat` with these parameters as defaults, on a machine that has both plugins."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    for plugin in ("nf-amazon-2.9.0", "nf-google-1.15.2"):
        (tmp_path / "plugins" / plugin).mkdir(parents=True)
    monkeypatch.setenv("NXF_PLUGINS_DIR", str(tmp_path / "plugins"))

    def resolve(profiles: str, **given: str) -> dict[str, str]:
        text = (ROOT / "nextflow.config").read_text()
        for name, value in {**GIVEN, **given}.items():
            before, rest = text.split(f"\n    {name} ", 1)
            text = f"{before}\n    {name} = '{value}' //{rest}"
        (tmp_path / "nextflow.config").write_text(text)
        done = subprocess.run([ROOT / "nextflow", "config", "-flat", ".", "-profile", profiles], cwd=tmp_path,
                              text=True, capture_output=True, check=True)
        return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)

    return resolve


CLOUDS = {
    "awsbatch": {"process.executor": "'awsbatch'", "workDir": "'s3://ecg/here/work'", "aws.region": "'europe-west4'",
                 "aws.batch.jobRole": "'runner@ecg'"},
    "google-batch": {"process.executor": "'google-batch'", "workDir": "'gs://ecg/here/work'",
                     "google.project": "'ecg-project'", "google.location": "'europe-west4'",
                     "google.batch.serviceAccountEmail": "'runner@ecg'"},
    "k8s": {"process.executor": "'k8s'", "k8s.namespace": "'ecg-project'", "k8s.storageClaimName": "'ecg-volume'",
            "k8s.serviceAccount": "'runner@ecg'"},
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_profile(resolved, cloud):
    found = resolved(f"{cloud},cuda", bucket="gs://ecg/here" if cloud == "google-batch" else "s3://ecg/here")
    for name, value in CLOUDS[cloud].items():
        assert found[name] == value, name
    assert found["process.container"] == "'registry.example/ecgscale:0.2.0-cuda'"
    assert found["process.beforeScript"] == "''"           # nothing of the machine that starts the run
    assert found["params.device"] == "'cuda'"
    # a label of the base survives all profiles: in a profile it would have been replaced
    assert "task.attempt" in found["process.'withLabel:gpu'.memory"]
    assert "params.device" in found["process.'withLabel:gpu'.accelerator"]
    assert "process.'withLabel:cpu'.accelerator" not in found


def test_engine_scheduler_and_hardware_compose(resolved):
    found = resolved("apptainer,slurm,cuda")
    assert (found["apptainer.enabled"], found["process.executor"]) == ("true", "'slurm'")
    assert found["params.devices"] == "'cpu,cuda'"
    assert "task.attempt" in found["process.'withLabel:gpu'.time"]
    assert "process.containerOptions" in found
    assert not any(name.startswith("process.'withLabel:gpu'.container") for name in found)
    assert found["process.queue"] == "'gpus'"


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_a_container_has_a_read_only_root_and_the_callers_user(resolved, engine):
    options = resolved(engine)[f"{engine}.runOptions"]
    assert "--read-only --tmpfs /tmp:exec " in options
    assert "-u $(id -u):$(id -g)" in options or "--userns=keep-id --user=$(id -u):$(id -g)" in options


@pytest.mark.skipif("NXF_PLUGINS_DIR" in os.environ, reason="this machine has plugins of its own")
def test_a_cloud_without_its_plugin(tmp_path, monkeypatch):
    """One message with all that is missing and how to get it, before anything runs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NXF_OFFLINE", "true")
    run = nextflow(tmp_path, "-profile", "awsbatch", "--bucket", "gs://wrong")
    assert run.code != 0
    for words in ("awsbatch cannot start", "--image", "--bucket s3://", "plugin nf-amazon",
                  "NXF_OFFLINE=false ./nextflow plugin install nf-amazon"):
        assert words in run.text
    assert run.tasks() == []
    assert run.files() == []
