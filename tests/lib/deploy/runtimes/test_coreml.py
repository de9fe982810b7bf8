"""Reading Core ML's compute plan, on a plan of our own making: nothing here ran on Apple hardware."""

from dataclasses import dataclass, field

import pytest

from ecgscale.deploy.runtimes.coreml_runtime import planned


@dataclass
class Operation:
    """As coremltools.models.compute_plan names its parts; `place` None: a constant, which no device computes."""

    operator_name: str
    place: type | None
    blocks: list = field(default_factory=list)


@dataclass
class Block:
    operations: list


def device(name):
    """A device is told by its class: MLCPUComputeDevice, MLGPUComputeDevice, MLNeuralEngineComputeDevice."""
    return type(name, (), {})


CPU, GPU, ENGINE = (device(f"ML{name}ComputeDevice") for name in ("CPU", "GPU", "NeuralEngine"))


class Plan:
    def __init__(self, *operations):
        function = type("Function", (), {"block": Block(list(operations))})
        program = type("Program", (), {"functions": {"main": function}})
        self.model_structure = type("Structure", (), {"program": program})

    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        if operation.place is None:
            return None
        return type("Usage", (), {"preferred_compute_device": operation.place()})


CONVOLUTIONS = [Operation("ios16.conv", ENGINE), Operation("ios16.relu", ENGINE), Operation("const", None)] * 3


def test_what_was_asked_ran():
    found = planned(Plan(*CONVOLUTIONS, Operation("ios16.linear", ENGINE)), "npu")
    assert (found.device, found.fallback, found.fallback_share) == ("npu", False, 0)
    assert found.precision is None                       # a plan tells devices, not arithmetic
    assert found.detail == "conv on npu x 3, relu on npu x 3, linear on npu x 1"


def test_part_of_it_on_another_device_is_a_share_and_most_of_it_a_fallback():
    some = planned(Plan(*CONVOLUTIONS, Operation("ios16.linear", CPU)), "npu")
    assert (some.device, some.fallback, some.fallback_share) == ("npu", False, 0.25)
    most = planned(Plan(Operation("ios16.conv", ENGINE), Operation("ios16.conv", CPU), Operation("ios16.linear", CPU)),
                   "npu")
    assert (most.device, most.fallback, most.fallback_share) == ("cpu", True, pytest.approx(2 / 3))


def test_nested_blocks_count():
    inner = Block([Operation("ios16.conv", GPU)])
    found = planned(Plan(Operation("cond", CPU, [inner]), Operation("ios16.linear", GPU)), "gpu")
    assert (found.device, found.fallback_share) == ("gpu", 0)
    assert "conv on gpu x 1" in found.detail


def test_all_units_ask_for_nothing_in_particular():
    found = planned(Plan(Operation("ios16.conv", CPU)), "all")
    assert (found.device, found.fallback, found.fallback_share) == ("cpu", False, None)


def test_a_plan_without_arithmetic_says_so():
    assert "no operation that multiplies" in planned(Plan(Operation("const", None)), "cpu").detail
