"""Exported models beside the memory of small devices: who fits, who does not and why, from planted sizes."""

import pandas as pd
import pytest

from ecgscale.analysis.deployable import scores_of
from ecgscale.analysis.small_devices import beside_devices, told
from ecgscale.contracts import MEMORY, Artefact, Export
from ecgscale.design.plan import every_device, read_devices
from ecgscale.design.space import plan_study
from ecgscale.design.study import read_study
from ecgscale.paths import ASSETS

EXAMPLE = Export.read(next((ASSETS / "examples" / "exports").glob("resnet-*.json")))
KIB = 1024


def model(name: str, params: int, peak: int | None, status: str = "ok", reason: str = "") -> Export:
    file = Artefact(format="onnx", precision="int8", file="m", status=status, reason=reason, checked_records=100,
                    score_difference=-0.002, score_difference_low=-0.004, score_difference_high=0.001)
    return EXAMPLE.model_copy(update={
        "run_id": name, "label": name, "artefacts": (file,), "peak_activations": peak,
        "ledger": EXAMPLE.ledger.model_copy(update={"params": params})})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Small fits everywhere; wide needs 300 KiB of INT8 activations; large 1.5 MiB of INT8 weights; lossy is the best,
    and its INT8 file is beyond the margin."""
    exports = [model("small", 2000, 4000), model("wide", 10_000, 300 * KIB), model("large", 1536 * KIB, 50 * KIB),
               model("lossy", 300 * KIB, 70 * KIB, "beyond-margin", "loses 0.0200 of the Challenge score"),
               model("unknown", 2000, None)]
    runs = pd.DataFrame({"run_id": [one.run_id for one in exports], "status": "finished", "family": "resnet",
                         "params": [one.ledger.params for one in exports], "seed": 0,
                         "valid_auroc": [0.80, 0.85, 0.90, 0.95, 0.99], "test_auroc": [0.79, 0.84, 0.89, 0.94, 0.98]})
    return beside_devices(runs, exports, scores_of(runs, "test_auroc"))


def fits(table: pd.DataFrame, device: str) -> set[tuple[str, str]]:
    rows = table[table["device"].eq(device) & table["fits"]]
    return set(zip(rows["model"], rows["precision"], strict=True))


def test_who_fits_is_counted_by_hand(table):
    """256 KiB RAM and 1 MiB flash hold what is small; 1 MiB and 2 MiB the wide and, in INT8, the large one."""
    assert fits(table, "nRF52840") == {("small", "float32"), ("small", "int8")}
    assert fits(table, "STM32F746") == fits(table, "nRF52840") | {("wide", "int8")}
    assert fits(table, "STM32H743") == {("small", "float32"), ("small", "int8"), ("wide", "int8"), ("large", "int8"),
                                        ("lossy", "float32")}
    reasons = table.set_index(["device", "model", "precision"])["note"]
    assert reasons["nRF52840", "wide", "int8"] == "RAM: activations 307,200 of 262,144 bytes"
    assert reasons["nRF52840", "large", "int8"] == "flash: weights 1,572,864 of 1,048,576 bytes"
    assert reasons["STM32H743", "lossy", "int8"] == "its INT8 file: loses 0.0200 of the Challenge score"
    assert "not known" in reasons["Fairphone 5", "unknown", "float32"]


def test_the_answer_is_what_validation_chooses_among_them(table):
    lines = told(table)
    assert len(lines) == table["device"].nunique()
    first = next(line for line in lines if line.startswith("nRF52840 "))
    assert first.startswith("nRF52840 (microcontroller, 1,024 KiB flash, 256 KiB RAM): small on I II ")
    assert "in int8, test_auroc 0.790; weights 2.0 KiB, activations 3.9 KiB; 1 of 5 models fit" in first
    assert "lossy" in next(line for line in lines if line.startswith("STM32H743 "))


def test_it_is_a_table_of_the_contract(table, tmp_path):
    MEMORY.write(table.drop(columns="log_y"), tmp_path / "memory.csv")
    assert len(MEMORY.read(tmp_path / "memory.csv")) == len(table) == 8 * 5 * 2


def test_devices_that_train_have_a_peak_and_small_ones_a_memory():
    known = every_device()
    assert all(bool(one["peak_tflops"]) != bool(one["ram_bytes"] and one["flash_bytes"]) for one in known)
    assert all(one["source"] and one["class"] for one in known)
    assert {one["class"] for one in known} == {"accelerator", "microcontroller", "watch", "phone"}
    assert {one["class"] for one in read_devices()} == {"accelerator"}


def test_the_example_study_begins_at_two_thousand_parameters_on_one_lead():
    study = read_study(ASSETS / "studies" / "wearable.yaml")
    planned, plan = plan_study(study)
    assert not plan.rejected
    sizes = {leads: sorted(run.ledger.params for run in planned if run.spec.leads == leads)
             for leads in {run.spec.leads for run in planned}}
    assert set(map(len, sizes)) == {1, 2, 12}
    assert ("I",) in sizes
    assert ("I", "II") in sizes
    assert 2000 <= sizes["I",][0] < 2100
    assert sizes["I",][-1] > 100_000
    assert len(planned) == 10 * 3 * 2        # networks, lead sets, rates
