"""A small transformer that predicts the next token (Radford et al. 2019, with pre-norm blocks)."""

import math

import torch
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]
"""Keys and values, float32 [B, H, L, D] each."""
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
        q, k, v = self.project(x_btd)
        scores = (q @ k.transpose(2, 3)) * (1.0 / math.sqrt(q.shape[3]))
        places = torch.arange(x_btd.shape[1])
        scores = torch.where(places[:, None] >= places[None, :], scores, MASKED)
        return self.add(x_btd, scores.softmax(-1) @ v)

    def recall(self, x_btd: Tensor, places_t: Tensor, cache: Pair | None) -> tuple[Tensor, Pair]:
        """The same for tokens at some places, and the keys and values of all places: of all tokens where there is no
        cache, else the cache with the one token's in it.

        Values are weighed one by one and added exactly, which `forward` leaves to a product: operands of a product
        share an exponent along all places, so that later ones would show in an earlier one's last bits.
        """
        q, k, v = self.project(x_btd)
        if cache is not None:
            here = (torch.arange(cache[0].shape[2]) == places_t)[None, None, :, None]
            k, v = torch.where(here, k, cache[0]), torch.where(here, v, cache[1])
        scores = (q @ k.transpose(2, 3)) * (1.0 / math.sqrt(q.shape[3]))
        scores = torch.where(places_t[:, None] >= torch.arange(k.shape[2])[None, :], scores, MASKED)
        mixed = (scores.softmax(-1).unsqueeze(-1) * v.unsqueeze(2)).sum(3)
        return self.add(x_btd, mixed), (k, v)

    def project(self, x_btd: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, float32 [B, H, T, D / H] each."""
        size_b, size_t, width = x_btd.shape
        q, k, v = self.qkv(self.norm_1(x_btd)).split(width, dim=2)
        q, k, v = (each.view(size_b, size_t, self.heads, -1).transpose(1, 2) for each in (q, k, v))
        return q, k, v

    def add(self, x_btd: Tensor, mixed_bhtd: Tensor) -> Tensor:
        """The block's input with what attention and the MLP add to it."""
        x_btd = x_btd + self.mix(mixed_bhtd.transpose(1, 2).reshape(x_btd.shape))
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

    def begin(self, tokens_bl: Tensor, count: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [B, vocabulary] after the first `count` (int64 []) of tokens [B, L], L all places there are, and the
        cache: keys and values [B, H, L, D] of each block, zero from `count` on. Later tokens make no difference."""
        every = torch.arange(tokens_bl.shape[1])
        seen = (every < count)[None, None, :, None]
        x, cache = self.tokens(tokens_bl) + self.places(every), []
        for block in self.blocks:
            assert isinstance(block, Block)
            x, pair = block.recall(x, every, None)
            cache += [torch.where(seen, each, 0.0) for each in pair]
        last = x.index_select(1, (count - 1).reshape(1))
        return self.head(self.norm(last)).flatten(0, 1), cache

    def proceed(self, token_b: Tensor, place: Tensor, cache: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Logits [B, vocabulary] after one more token [B], at `place` (int64 []), and the cache with it."""
        here = place.reshape(1)
        known: list[Tensor] = []
        x = self.tokens(token_b.unsqueeze(1)) + self.places(here)
        for block, keys, values in zip(self.blocks, cache[::2], cache[1::2], strict=True):
            assert isinstance(block, Block)
            x, pair = block.recall(x, here, (keys, values))
            known += pair
        return self.head(self.norm(x)).flatten(0, 1), known

    @property
    def length(self) -> int:
        """How many tokens there may be."""
        return self.places.num_embeddings


def gpt(vocabulary: int = 128, length: int = 32, width: int = 64, layers: int = 2, heads: int = 4) -> GPT:
    """A small GPT."""
    return GPT(vocabulary, length, width, layers, heads)
