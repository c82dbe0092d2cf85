"""Neural nets that ship with Assay: plain `nn.Module`s, named in a job as `assay.architectures:cnn`."""

from assay.architectures.cnn import CNN, cnn
from assay.architectures.gpt import GPT, gpt
from assay.architectures.mlp import MLP, mlp
from assay.architectures.ship import SHIPPED, load_shipped

__all__ = ["CNN", "GPT", "MLP", "SHIPPED", "cnn", "gpt", "load_shipped", "mlp"]
