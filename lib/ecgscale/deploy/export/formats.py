"""A trained network as ONNX, OpenVINO IR, Core ML, ExecuTorch or TFLite file that names its input, classes and origin.

All shapes are static: (batch, leads, samples) float32 in, logits (batch, classes) float32 out, whatever the precision
within.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ecgscale.deploy.export.quantization import (
    quantized,
    quantized_for_xnnpack,
    quantized_tflite,
    write_quantized_onnx,
)
from ecgscale.deploy.runtimes import Unavailable, executorch_runtime

INPUT, OUTPUT = "ecg", "logits"
NEWEST_OPSET, DIRECTML_OPSET = 23, 17      # the newest that torch writes; 17 is what DirectML knows wholly
SMALLEST_HALF = 2.0**-24
NOT_ON_APPLE = "not run on Apple hardware"


def normalizes_layers(network: nn.Module) -> bool:
    return any(isinstance(part, nn.LayerNorm) for part in network.modules())


class Exporter:
    """One network to be written in many formats. What several of them start from is made once.

    `calibration`: (windows, leads, samples) float32 of the training fold. `metadata` goes inside every file.
    """

    def __init__(self, network: nn.Module, shape: tuple[int, int, int], metadata: dict[str, str],
                 calibration: np.ndarray):
        self.network, self.shape, self.metadata, self.calibration = network.eval(), shape, metadata, calibration
        self.graphs: dict[int, bytes] = {}      # ONNX, by operator set

    def write(self, form: str, precision: str, path: Path, opset: int | None = None) -> None:
        """Write one file (or package) at `path`. Raises whatever the converters raise."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with quiet():
            if form == "onnx":
                self.write_onnx(precision, path, opset)
            elif form == "openvino":
                self.write_openvino(precision, path)
            elif form.startswith("executorch"):
                self.write_executorch(form, precision, path)
            elif form == "tflite":
                self.write_tflite(precision, path)
            else:
                self.write_coreml(precision, path)

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        return torch.export.export(self.network, (torch.zeros(self.shape),))

    def write_onnx(self, precision: str, path: Path, opset: int) -> None:
        """float16: the same graph with float16 weights and values between its float32 ends. int8: quantized (QDQ)."""
        import onnx

        model = self.onnx_model(opset)
        if precision == "int8":
            return write_quantized_onnx(model, self.calibration, normalizes_layers(self.network), path)
        if precision == "float16":
            import onnx_ir
            from onnxruntime.transformers.float16 import convert_float_to_float16

            half = onnx_ir.from_proto(convert_float_to_float16(model, keep_io_types=True,
                                                               min_positive_val=SMALLEST_HALF))
            half.graph.sort()               # the converter puts the casts of the ends last
            model = onnx_ir.to_proto(half)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))

    def onnx_model(self, opset: int):
        """The newest operator set by torch.export; 17, for DirectML, by the tracing exporter."""
        import onnx

        if opset not in self.graphs:
            traced, content = opset == DIRECTML_OPSET, io.BytesIO()
            made = torch.onnx.export(
                self.network if traced else self.program, (torch.zeros(self.shape),), content if traced else None,
                input_names=[INPUT], output_names=[OUTPUT], opset_version=opset, dynamo=not traced, verbose=False)
            model = onnx.load_from_string(content.getvalue()) if traced else made.model_proto
            model.producer_name, model.doc_string = "ecgscale", self.metadata["description"]
            onnx.helper.set_model_props(model, self.metadata)
            self.graphs[opset] = model.SerializeToString()
        return onnx.load_from_string(self.graphs[opset])

    @cached_property
    def openvino_model(self):
        import openvino

        model = openvino.convert_model(self.program, input=[list(self.shape)])
        model.inputs[0].get_node().set_friendly_name(INPUT)
        model.inputs[0].get_tensor().set_names({INPUT})
        model.outputs[0].get_tensor().set_names({OUTPUT})
        for key, value in self.metadata.items():
            model.set_rt_info(value, ["ecgscale", key])
        return model

    def write_openvino(self, precision: str, path: Path) -> None:
        """float16: weights stored as float16. int8: post-training quantization."""
        import openvino

        model = self.openvino_model
        if precision == "int8":
            model = quantized(model, self.calibration, normalizes_layers(self.network))
        openvino.save_model(model, path, compress_to_fp16=precision == "float16")

    def write_coreml(self, precision: str, path: Path) -> None:
        """mlprogram, built anywhere, run on Apple hardware only. int8: float16 with weights stored as 8 bits."""
        model = self.coreml_float16 if precision != "float32" else self.coreml("FLOAT32")
        if precision == "int8":
            from coremltools.optimize import coreml as compression

            config = compression.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=512)
            model = compression.linear_quantize_weights(model, compression.OptimizationConfig(config))
        model.short_description, model.license = self.metadata["description"], self.metadata["license"]
        said = self.metadata | {"checked": NOT_ON_APPLE}
        model.user_defined_metadata.update({f"ecgscale.{key}": value for key, value in said.items()})
        model.save(str(path))

    def write_executorch(self, form: str, precision: str, path: Path) -> None:
        """For the XNNPACK delegate, or for Core ML's; what it does not take is left to ExecuTorch's own kernels. int8:
        quantized by torchao for XNNPACK, a range for each channel of the weights."""
        if reason := executorch_runtime.why_not():
            raise Unavailable(reason)
        from executorch.exir import to_edge_transform_and_lower

        program = self.program if precision != "int8" else torch.export.export(
            quantized_for_xnnpack(self.program, self.calibration, self.shape[0]), (torch.zeros(self.shape),))
        partitioner = coreml_partitioner(precision) if form == "executorch-coreml" else xnnpack_partitioner()
        made = to_edge_transform_and_lower(program, partitioner=[partitioner]).to_executorch()
        path.write_bytes(made.buffer)

    def write_tflite(self, precision: str, path: Path) -> None:
        """Named and described as the other formats; a TFLite file may carry any named bytes. int8: static, as
        `quantized_tflite` says."""
        content = self.tflite_model
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.tools import flatbuffer_utils

        if precision == "int8":
            content = quantized_tflite(content, self.calibration)
        model = flatbuffer_utils.read_model_from_bytearray(content)
        model.description = self.metadata["description"]
        (graph,) = model.subgraphs
        for name, tensor in ((INPUT, graph.inputs[0]), (OUTPUT, graph.outputs[0])):
            graph.tensors[tensor].name = name
        (signature,) = model.signatureDefs
        signature.inputs[0].name, signature.outputs[0].name = INPUT, OUTPUT
        for key, value in self.metadata.items():
            model.metadata = [*(model.metadata or []), schema.MetadataT(f"ecgscale.{key}", len(model.buffers))]
            model.buffers.append(schema.BufferT(data=list(value.encode())))
        path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))

    @cached_property
    def tflite_model(self) -> bytes:
        """The float32 file as the converter makes it."""
        try:
            import litert_torch
        except ImportError as error:
            raise Unavailable(f"{type(error).__name__}: {error}: pip install 'ecgscale[litert]'") from None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "network.tflite")
            litert_torch.convert(self.network, (torch.zeros(self.shape),)).export(str(path))
            return path.read_bytes()

    @cached_property
    def core_program(self) -> torch.export.ExportedProgram:
        return self.program.run_decompositions({})

    @cached_property
    def coreml_float16(self):
        return self.coreml("FLOAT16")

    def coreml(self, precision: str):
        import coremltools as ct

        return ct.convert(
            self.core_program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS17,
            compute_precision=getattr(ct.precision, precision),
            inputs=[ct.TensorType(name=INPUT, shape=self.shape, dtype=np.float32)],
            outputs=[ct.TensorType(name=OUTPUT, dtype=np.float32)],
        )


def xnnpack_partitioner():
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return XnnpackPartitioner()


def coreml_partitioner(precision: str):
    """What Core ML's delegate takes, computed in this precision: without a word it would be float16."""
    import coremltools as ct
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    return CoreMLPartitioner(compile_specs=CoreMLBackend.generate_compile_specs(
        compute_precision=getattr(ct.precision, precision.upper()), minimum_deployment_target=ct.target.iOS17))


@contextlib.contextmanager
def quiet():
    """Keep the exporters' chatter (untested-version warnings, progress bars) out of the log; errors still raise."""
    loggers = [logging.getLogger(name) for name in ("nncf", "coremltools", "torch.onnx", "onnxscript", "openvino",
                                                   "executorch", "torchao", "absl")]
    levels = [logger.level for logger in loggers]
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
