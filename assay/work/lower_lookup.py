"""Lowerings of lookups by index and of random numbers."""

from typing import Any

from assay.work.lower import Allocation, Ref, as_integer, refuse, rule
from assay.work.normal import Graph


@rule("embedding.default")
def lower_embedding(g: Graph, table: int, places: int, *_: Any) -> int:
    shape = g.shape(places) + g.shape(table)[1:]
    return g.put("gather", (table, as_integer(g, Ref(places))), shape=shape, dtype=g.dtype(table))


@rule("gather.default")
def lower_gather(g: Graph, table: int, dim: int, places: int) -> int:
    rank = len(g.shape(table))
    if dim % rank != rank - 1 or g.shape(places) != (*g.shape(table)[:-1], 1):
        raise refuse("gather other than one element of each last row", "use it as gather(-1, index[..., None])")
    rows = g.shape(table)[:-1]
    return g.reshape(g.put("pick", (table, g.reshape(places, rows)), shape=rows, dtype=g.dtype(table)), g.shape(places))


@rule("embedding_dense_backward.default")
def lower_embedding_backward(
    g: Graph, grad: int, places: int, count: int, padding: int = -1, by_frequency: bool = False
) -> int:
    if by_frequency:
        raise refuse("an embedding whose gradient is scaled by frequency", "leave scale_grad_by_freq out")
    length, width = g.types[places].size, g.shape(grad)[-1]
    if padding >= 0:
        flat = g.reshape(places, (length,))
        # Rows of an index outside the table vanish from the sum.
        places = g.map("where", g.compare("eq", flat, g.integer(padding)), g.integer(-1), flat)
    return g.sum_at(g.reshape(grad, (length, width)), g.reshape(places, (length,)), count)


@rule("bernoulli.p")
def lower_bernoulli(g: Graph, allocation: Any, probability: float = 0.5, **_: Any) -> int:
    """1 where a random word is below probability * 2^32, else 0; each node has a stream of its own."""
    shape = allocation.shape if isinstance(allocation, Allocation) else g.shape(allocation)
    size = 1
    for axis in shape:
        size *= axis
    words = g.random_words(size)
    threshold = g.integer(min(round(probability * 2**32), 2**32))
    drawn = g.compare("lt", words, threshold)
    return g.reshape(g.map("to_float", drawn, dtype="F32"), shape)
