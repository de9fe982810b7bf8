"""Names of what can be added to: each is a module of its own, and stands here, once, for files and studies to name."""

FAMILIES = ("regnet", "convnext", "vit", "resnet")                  # models/NAME.py
RUNTIMES = ("torch", "onnxruntime", "openvino", "coreml", "executorch", "litert")     # deploy/runtimes/NAME_runtime.py
