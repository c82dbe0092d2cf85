"""From a Python function to traced ATen operators to a `Graph`."""

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functionalize
from torch.fx import GraphModule, Interpreter, Node
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from assay.protocol.errors import Unsupported
from assay.work import lower as lower_basics
from assay.work import (
    lower_activations,
    lower_layers,
    lower_lookup,
    lower_losses,
    lower_moves,
    lower_norms,
    lower_pools,
    lower_shape,
    lower_statistics,
)
from assay.work.lower import RULES, Allocation, Ref
from assay.work.normal import Graph
from assay.work.source import note_sources

TABLES = (
    lower_basics,
    lower_activations,
    lower_layers,
    lower_lookup,
    lower_losses,
    lower_moves,
    lower_norms,
    lower_pools,
    lower_shape,
    lower_statistics,
)
"""Modules whose rules are in `RULES` once they are imported."""
IGNORED = ("empty_like.default", "new_empty.default", "empty.memory_format", "new_empty_strided.default")
"""Allocations: a shape, and values only through an operator that fills them."""
FILLING = ("bernoulli.p", "fill.Scalar")
"""Operators that take an allocation for its shape."""
READ_OUT = "_local_scalar_dense.default"
"""The operator that gives a tensor's value to Python; a trace has none to give."""
RANDOM = ("bernoulli.p",)
"""Operators that draw from the job's key."""
NORMS = ("native_batch_norm.default",)
"""Operators that change their fourth and fifth arguments, which a trace does not show."""


@contextmanager
def without_fused_layers() -> Iterator[None]:
    """Recurrent layers as operators of their own, not as one of oneDNN's."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@contextmanager
def one_fake_mode() -> Iterator[None]:
    """One mode for what a tracer notes of each operator's result; it would make one for each, in milliseconds."""
    with tracing(TracingContext(FakeTensorMode(allow_fallback_kernels=True))):
        yield


def trace(function: Callable[..., Any], examples: Sequence[Tensor], model: nn.Module) -> GraphModule:
    """The ATen operators of a call, without mutation and dead code. Shapes are those of the examples.

    Each node's `stack_trace` says which module and line it comes from (`assay.work.source`).
    """

    def noted(*args: Tensor) -> Any:
        with note_sources(model) as mode:
            try:
                return function(*args)
            except RuntimeError as error:
                if READ_OUT not in str(error):
                    raise
                raise Unsupported(
                    f"a tensor's value read into Python at {mode.latest}",
                    hint="branches and shapes must not depend on values: use torch.where and tensor arithmetic",
                    operator=READ_OUT,
                    source=mode.latest,
                ) from error

    with sdpa_kernel(SDPBackend.MATH), without_fused_layers(), fx_traceback.preserve_node_meta(), one_fake_mode():
        first = make_fx(noted)(*examples)

        def replay(*args: Tensor) -> Any:
            return Interpreter(first).run(*args)

        second = make_fx(functionalize(replay, remove="mutations"))(*examples)
    second.graph.eliminate_dead_code()
    second.recompile()
    return second


def is_random(module: GraphModule) -> bool:
    """Whether a trace draws random numbers."""
    return any(operator_name(node.target) in RANDOM for node in module.graph.nodes)


def operator_name(target: Any) -> str:
    """`add.Tensor` for `aten.add.Tensor`; other namespaces keep theirs."""
    if isinstance(target, torch._ops.OpOverload):
        name = f"{target._schema.name.split('::')[1]}.{target._overloadname}"
        return name if target.namespace == "aten" else f"{target.namespace}::{name}"
    return str(target)


def lower(graph: Graph, module: GraphModule, values: Sequence[int]) -> list[int]:
    """Lower traced operators onto `graph`, whose values stand for the trace's inputs. Errors: `Unsupported`."""
    known: dict[Node, Any] = {}
    waiting = iter(values)

    def resolve(argument: Any) -> Any:
        if isinstance(argument, Node):
            return known[argument]
        if isinstance(argument, tuple | list):
            return [resolve(each) for each in argument]
        return argument

    for node in module.graph.nodes:
        if node.op == "placeholder":
            known[node] = Ref(next(waiting))
        elif node.op == "get_attr":
            known[node] = Ref(graph.constant(getattr(module, str(node.target))))
        elif node.op == "output":
            return [int(each) for each in resolve(node.args[0])]
        elif node.target is operator.getitem:
            known[node] = resolve(node.args[0])[node.args[1]]
        else:
            result = apply_rule(graph, node, [resolve(each) for each in node.args], dict(node.kwargs), resolve)
            if operator_name(node.target) in NORMS and len(result) == 5:
                known[node.args[3]], known[node.args[4]] = result[3:]
            known[node] = result
    raise AssertionError("a trace ends with its outputs")


def apply_rule(graph: Graph, node: Node, args: list[Any], kwargs: dict[str, Any], resolve: Callable[[Any], Any]) -> Any:
    """The values of one traced operator."""
    name = operator_name(node.target)
    graph.source = str(node.meta.get("stack_trace") or "")
    if name in IGNORED:
        return Allocation(tuple(node.meta["val"].shape), node.meta["val"].dtype)
    if name not in RULES:
        raise Unsupported(
            f"no exact form of {name}{place(graph)}", hint=nearest(name), operator=name, source=graph.source
        )
    if name not in FILLING:
        args = [filled(graph, each) if isinstance(each, Allocation) else each for each in args]
    try:
        result = RULES[name](graph, *args, **{key: resolve(value) for key, value in kwargs.items()})
    except Unsupported as error:
        raise Unsupported(
            f"{error.message}{place(graph)}", hint=error.hint, operator=name, source=graph.source
        ) from error
    except TypeError as error:
        raise Unsupported(
            f"a form of {name} that has no exact form{place(graph)}: {error}", operator=name, source=graph.source
        ) from error
    if isinstance(result, tuple):
        return tuple(None if each is None else Ref(each) for each in result)
    return Ref(result)


def filled(graph: Graph, allocation: Allocation) -> Ref:
    """Zeros, for parts of which an operator puts others."""
    return Ref(lower_shape.fill(graph, allocation.shape, 0, allocation.dtype))


def place(graph: Graph) -> str:
    """Where in the model, for messages."""
    return f" at {graph.source}" if graph.source else ""


NEAREST = {
    "nonzero": "shapes must not depend on values: use torch.where with a mask",
    "index": "select by arange, slices or torch.where instead of a mask or a list of indices",
    "rand": "random numbers must come from the job's key: use nn.Dropout",
    "cumsum": "multiply by a triangular matrix of ones",
    "sort": "use max or argmax",
    "topk": "use max or argmax",
    "_linalg": "factorisations have no exact form",
    "upsample": "repeat by expand and reshape",
    "prod": "multiply the parts",
    "cudnn": "capture on the CPU",
}


def nearest(name: str) -> str:
    """What to write instead, where that is known."""
    for prefix, hint in NEAREST.items():
        if name.startswith(prefix):
            return hint
    return "use the operators that docs/reference/operators.md lists"
