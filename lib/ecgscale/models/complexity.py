"""What a network costs, counted and never measured. Imports no torch.

The families count themselves layer by layer (see cost.py for the conventions); this module names them and turns a
count into the contract's ledger. Tests hold it against torch's FlopCounterMode, forward and backward.
"""

from pydantic import ValidationError

from ecgscale.contracts import Ledger, ModelSpec
from ecgscale.errors import UserError
from ecgscale.models import convnext, regnet, resnet, vit
from ecgscale.models.convnext import ConvNeXt
from ecgscale.models.regnet import RegNet
from ecgscale.models.resnet import ResNet
from ecgscale.models.vit import ViT

Architecture = RegNet | ConvNeXt | ViT | ResNet
FAMILIES: dict[str, type[Architecture]] = {"regnet": RegNet, "convnext": ConvNeXt, "vit": ViT, "resnet": ResNet}
SIZES: dict[str, Architecture] = regnet.SIZES | convnext.SIZES | vit.SIZES | resnet.SIZES


def architecture(model: ModelSpec) -> Architecture:
    """A spec as its family's dataclass. Raises UserError for an unknown or impossible hyperparameter.

    Raises architecture.RejectedError when the hyperparameters are each possible but make no network together.
    """
    try:
        return FAMILIES[model.family](**model.params)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(step) for step in first["loc"])
        raise UserError(first["msg"], field=f"{model.family}.{name}") from None


def ledger(model: ModelSpec, leads: int = 12, window: int = 1024, classes: int = 26) -> Ledger:
    """Cost of one window of (leads, window) for a spec. Raises UserError or RejectedError as `architecture` does."""
    return ledger_of(architecture(model), leads, window, classes)


def ledger_of(made: Architecture, leads: int, window: int, classes: int) -> Ledger:
    count = made.cost(leads, window, classes)
    return Ledger(
        params=count.params,
        activations=count.activations,
        forward_flops=count.forward,
        step_flops=count.forward + count.backward,
        published_flops=2 * count.products,
        weight_bytes=4 * count.params,
        stages=made.stage_count(window),
    )
