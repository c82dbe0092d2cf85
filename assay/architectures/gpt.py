"""A small transformer that predicts the next token (Radford et al. 2019, with pre-norm blocks)."""

import math

import torch
from torch import Tensor, nn

MASKED = -1e9
"""A finite floor for masked scores: exp of it is exactly zero."""


class Block(nn.Module):
    """Causal self-attention and an MLP, each after a norm, each added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_btd: Tensor) -> Tensor:
        """float32 [B, T, D] to the same."""
        size_b, size_t, width = x_btd.shape
        q, k, v = self.qkv(self.norm_1(x_btd)).split(width, dim=2)
        q, k, v = (each.view(size_b, size_t, self.heads, -1).transpose(1, 2) for each in (q, k, v))
        scores = (q @ k.transpose(2, 3)) * (1.0 / math.sqrt(width // self.heads))
        places = torch.arange(size_t)
        scores = torch.where(places[:, None] >= places[None, :], scores, MASKED)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(size_b, size_t, width)
        x_btd = x_btd + self.mix(mixed)
        out: Tensor = x_btd + self.down(nn.functional.gelu(self.up(self.norm_2(x_btd)), approximate="tanh"))
        return out


class GPT(nn.Module):
    """Tokens int64 [B, T] to logits float32 [B * T, vocabulary]."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens_bt: Tensor) -> Tensor:
        """Logits of the next token at each place."""
        x = self.tokens(tokens_bt) + self.places(torch.arange(tokens_bt.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x)).flatten(0, 1)
        return logits


def gpt(vocabulary: int = 128, length: int = 32, width: int = 64, layers: int = 2, heads: int = 4) -> GPT:
    """A small GPT."""
    return GPT(vocabulary, length, width, layers, heads)
