"""ExecuTorch: against the trained network and its own trace where the wheel is; what is said where it is not."""

import sys

import pytest

from ecgscale.deploy import session
from ecgscale.deploy.block import Configuration, measure
from ecgscale.deploy.runtimes import DeployedModel, Unavailable, runtime_class
from ecgscale.deploy.runtimes.executorch_runtime import named, told, told_of_coreml, why_not
from ecgscale.design.study import Deploy
from tests.tiny_models import assert_requests_answer_alone, export_one, exported_model

# names of one call of a ResNet in INT8 and of a network whose convolution the delegate did not take, as 1.5.1 gave them
INT8 = ["Convert (NC) #1", "Transpose (ND, X8) #3", "Convolution (NHWC, QC8) IGEMM #1", "Add (ND) #1",
        "native_call_max_pool2d_with_indices.out", "native_call_mean.out", "Fully Connected (NC, QS8, QC8W) GEMM #1"]
SPLIT = ["Convolution (NHWC, F32) IGEMM #1", "native_call_convolution.out", "Batch Matrix Multiply (NC, F32) GEMM #2",
         "Fully Connected (NC, F32) GEMM #1"]
here = pytest.mark.skipif(bool(why_not()), reason=why_not())


def test_a_trace_tells_precision_and_what_the_delegate_did_not_take():
    ran = told([named(name) for name in INT8], "int8")
    assert (ran.device, ran.precision, ran.fallback, ran.fallback_share) == ("cpu", "int8", False, 0)
    assert ran.detail.startswith("5 of 7 operators in XnnpackBackend")
    assert told([named(name) for name in INT8], "float32").fallback
    ran = told([named(name) for name in SPLIT], "float32")
    assert (ran.precision, ran.fallback, ran.fallback_share) == ("float32", False, 0.25)
    assert told([], "float32").precision is None


def test_core_ml_tells_what_its_delegate_left_to_the_processor():
    """It names nothing of its own, so what ran within it is not claimed to be known."""
    ran = told_of_coreml([])
    assert (ran.device, ran.precision, ran.fallback) == ("coreml", None, False)
    ran = told_of_coreml([named("native_call_mean.out")])
    assert (ran.device, ran.fallback, ran.detail) == ("coreml", False, "outside CoreMLBackend: native_call_mean.out")
    ran = told_of_coreml([named("native_call_convolution.out")])
    assert (ran.device, ran.fallback) == ("cpu", True)


@pytest.fixture
def absent(monkeypatch):
    """As where the wheel is not installed."""
    for name in [one for one in sys.modules if one.split(".")[0] == "executorch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "executorch", None)


def test_a_row_says_that_the_wheel_is_missing_and_how_to_get_it(absent):
    model = DeployedModel.read(exported_model())
    wanted, missing, known = session.plan("executorch", [model], ["cpu"], Deploy(), 1)
    assert (wanted, known) == ([], {"cpu", "coreml"})
    [(configuration, reason)] = missing
    assert configuration.runtime == "executorch"
    assert "ModuleNotFoundError" in reason
    assert "pip install 'ecgscale[executorch]'" in reason


def exported(folder, precisions, form="executorch"):
    model, made = export_one(folder, Deploy(formats=(form,), precisions=precisions, margin=1.0))
    return model, {one.precision: one for one in made.artefacts if one.format == form}


def test_without_the_wheel_the_file_is_a_failed_artefact(tmp_path, absent):
    _, files = exported(tmp_path, ("float32",))
    assert files["float32"].status == "failed"
    assert "pip install 'ecgscale[executorch]'" in files["float32"].reason


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("executorch"), ("float32", "float16", "int8"))


@here
def test_files_are_checked_against_the_network(model):
    _, files = model
    assert set(files) == {"float32", "int8"}
    assert {one.status for one in files.values()} == {"ok"}
    assert files["float32"].max_logit_difference < 1e-5
    assert 1e-4 < files["int8"].max_logit_difference < 1.0          # of logits up to 4
    assert files["int8"].checked_on == "executorch cpu int8"
    assert files["int8"].bytes < 0.6 * files["float32"].bytes


@here
def test_requests_answer_alone_and_the_pool_has_the_threads_asked_for(model):
    from executorch.extension.pybindings import portable_lib

    deployed = DeployedModel.read(model[0])
    for threads in (2, 1):
        runtime = runtime_class("executorch")()
        runtime.load(deployed, "cpu", "", 1, threads)
        runtime.compile()
        assert portable_lib._threadpool_get_thread_count() == threads
    assert_requests_answer_alone(runtime, deployed)


@here
@pytest.mark.parametrize(("option", "precision"), [("", "float32"), ("precision=int8", "int8")])
def test_a_block_of_the_protocol_tells_what_ran(model, option, precision):
    """Twelve convolutions and a linear layer, as in the network."""
    deployed = DeployedModel.read(model[0])
    columns = measure(Configuration(deployed, "executorch", "cpu", option, "single", 1, 1),
                      Deploy(min_count=3, min_seconds=0)).columns
    assert (columns["ran_device"], columns["ran_precision"], columns["fallback"]) == ("cpu", precision, False)
    assert columns["fallback_share"] == 0
    assert f"Convolution {precision} x {deployed.layers - 1}, " in f"{columns['ran_detail']}, "


@here
def test_a_program_for_core_ml_is_written_and_not_run_here(tmp_path):
    """By code and test only: the whole network is in the delegate, and only Apple's machines have that."""
    pytest.importorskip("coremltools")
    folder, files = exported(tmp_path, ("float32", "float16", "int8"), "executorch-coreml")
    assert {name: (one.status, one.reason) for name, one in files.items()} == dict.fromkeys(
        ("float32", "float16"), ("ok", "not run on Apple hardware"))
    assert files["float16"].bytes < 0.7 * files["float32"].bytes
    model = DeployedModel.read(folder)
    for one in files.values():
        program = model.path(one).read_bytes()
        assert b"CoreMLBackend" in program
        assert b"aten::" not in program                 # an operator of ExecuTorch's own kernels
    runtime = runtime_class("executorch")()
    with pytest.raises(Unavailable, match="has no CoreMLBackend: its wheel for macOS has it"):
        runtime.load(model, "coreml", "", 1, 1)
