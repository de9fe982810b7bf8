"""What the cloud profiles resolve to, as Nextflow itself says, and what a run says where something is missing. No cloud
was reached by these tests."""

import os

import pytest

from tests.pipeline.conftest import configurations, nextflow, with_defaults

GIVEN = {"queue": "gpus", "region": "europe-west4", "account": "ecg-project", "service_account": "runner@ecg",
         "image": "registry.example/ecgscale:0.2.0-cuda", "bucket": "s3://ecg/here", "claim": "ecg-volume"}


CLOUDS = {
    "awsbatch": {"process.executor": "'awsbatch'", "workDir": "'s3://ecg/here/work'", "aws.region": "'europe-west4'",
                 "aws.batch.jobRole": "'runner@ecg'"},
    "google-batch": {"process.executor": "'google-batch'", "workDir": "'gs://ecg/here/work'",
                     "google.project": "'ecg-project'", "google.location": "'europe-west4'",
                     "google.batch.serviceAccountEmail": "'runner@ecg'"},
    "k8s": {"process.executor": "'k8s'", "k8s.namespace": "'ecg-project'", "k8s.storageClaimName": "'ecg-volume'",
            "k8s.serviceAccount": "'runner@ecg'"},
}


PROFILES = ("awsbatch,cuda", "google-batch,cuda", "k8s,cuda", "apptainer,slurm,cuda", "docker", "podman")


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """As Nextflow resolves them where these parameters are given, on a machine that has both plugins."""
    folder = tmp_path_factory.mktemp("resolved")
    for plugin in ("nf-amazon-2.9.0", "nf-google-1.15.2"):
        (folder / "plugins" / plugin).mkdir(parents=True)
    here = with_defaults(folder / "amazon", **GIVEN)
    google = with_defaults(folder / "google", **GIVEN | {"bucket": "gs://ecg/here"})
    return configurations(folder, {profiles: f"{google if 'google' in profiles else here} -profile {profiles}"
                                   for profiles in PROFILES}, NXF_PLUGINS_DIR=str(folder / "plugins"))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_profile(resolved, cloud):
    found = resolved[f"{cloud},cuda"]
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
    found = resolved["apptainer,slurm,cuda"]
    assert (found["apptainer.enabled"], found["process.executor"]) == ("true", "'slurm'")
    assert found["params.devices"] == "'cpu,cuda'"
    assert "task.attempt" in found["process.'withLabel:gpu'.time"]
    assert "process.containerOptions" in found
    assert not any(name.startswith("process.'withLabel:gpu'.container") for name in found)
    assert found["process.queue"] == "'gpus'"


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_a_container_has_a_read_only_root_and_the_callers_user(resolved, engine):
    options = resolved[engine][f"{engine}.runOptions"]
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
