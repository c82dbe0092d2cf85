"""A fault names the first node without a result, its operator and the line of the model, on every path."""

import inspect
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from assay.exact import kernels
from assay.exact.profile import EXACT15
from assay.exact.values import TORCH_DTYPES
from assay.work.capture import capture
from assay.work.interpret import Runner
from assay.work.normal import Graph
from assay.work.program import Bundle, Program
from assay.work.walk import Fault
from tests.reference import programs

NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}


class Middle(nn.Module):
    """A function between two layers, each row of whose first layer passes the input on."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.first, self.last = nn.Linear(3, 3, bias=False), nn.Linear(3, 2)
        with torch.no_grad():
            self.first.weight.copy_(torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.function(self.first(x)).relu())


def divide(x: Tensor) -> Tensor:
    return 1.0 + 2.0 / x


def take_log(x: Tensor) -> Tensor:
    return x.log() * 0.5


def take_root(x: Tensor) -> Tensor:
    return x.sqrt() + 1.0


def overflow_exp(x: Tensor) -> Tensor:
    return x.exp() * 1e-30


def overflow_product(x: Tensor) -> Tensor:
    return x * 3e38 * 1e-38


def overflow_sum(x: Tensor) -> Tensor:
    large = x * 1e38
    return x + large.sum() * 1e-38


def overflow_inner_product(x: Tensor) -> Tensor:
    large = x * 1e25
    return (large @ large.t()).mean() + x


def hidden_by_where(x: Tensor) -> Tensor:
    inverse = 1.0 / x
    return torch.where(x == 0, x, inverse)


def hidden_by_division(x: Tensor) -> Tensor:
    huge = (x + 100.0).exp()
    return 1.0 / huge


def hidden_by_clamp(x: Tensor) -> Tensor:
    return x.log().clamp(min=-5.0)


GOOD = [[1.0, 2.0, 3.0], [2.0, 1.0, 0.5]]
FAULTS: list[tuple[Callable[[Tensor], Tensor], str, str, list[list[float]]]] = [
    (divide, "2.0 / x", "div", [[1.0, 0.0, 3.0], [2.0, 1.0, 0.5]]),
    (divide, "2.0 / x", "div", [[1e-39, 1e-39, 1e-39], [2.0, 1.0, 0.5]]),
    (take_log, "x.log()", "log", [[1.0, 2.0, 3.0], [0.0, 1.0, 0.5]]),
    (take_log, "x.log()", "log", [[1.0, 2.0, 3.0], [-1.0, 1.0, 0.5]]),
    (take_root, "x.sqrt()", "sqrt", [[1.0, 2.0, 3.0], [-1e-4, 1.0, 0.5]]),
    (overflow_exp, "x.exp()", "exp", [[1.0, 2.0, 89.0], [2.0, 1.0, 0.5]]),
    (overflow_product, "x * 3e38", "mul", GOOD),
    (overflow_sum, "large.sum()", "rescale", [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
    (overflow_inner_product, "large @ large.t()", "rescale", GOOD),
    (hidden_by_where, "1.0 / x", "div", [[1.0, 0.0, 3.0], [2.0, 1.0, 0.5]]),
    (hidden_by_division, ".exp()", "exp", GOOD),
    (hidden_by_clamp, "x.log()", "log", [[1.0, 0.0, 3.0], [2.0, 1.0, 0.5]]),
]


def line_of(function: Callable[..., object], text: str) -> str:
    """`module:line` of the line of a function that has this text."""
    lines, first = inspect.getsourcelines(function)
    (at,) = (first + offset for offset, line in enumerate(lines) if text in line)
    return f"{function.__module__}:{at}"


def bundle_of(model: nn.Module, x: Tensor, lr: float = 0.1) -> Bundle:
    y = torch.zeros(len(x), dtype=torch.int64)
    return capture(model, "cross_entropy", {"name": "sgd", "lr": lr}, x, y, counts=[1])


@cache
def bundle_around(function: Callable[[Tensor], Tensor]) -> Bundle:
    torch.manual_seed(1)
    return bundle_of(Middle(function), torch.ones(2, 3))


def fault_of(program: Program, inputs: list[Tensor]) -> Fault:
    """The fault, the same on every path and by the reference."""
    arrays = [programs.read_elements(NAMES[each.dtype], tuple(each.shape), each.numpy().tobytes()) for each in inputs]
    wanted = programs.run(programs.read_program(program.to_bytes()), arrays)
    assert isinstance(wanted, programs.Fault)
    faults = [Runner(program, path).run(inputs) for path in kernels.PATHS if kernels.agrees(path)]
    first = faults[0]
    assert isinstance(first, Fault)
    assert all(fault == first for fault in faults)
    assert (first.node_index, first.operator, first.reason) == (wanted.node_index, wanted.operator, wanted.reason)
    return first


@pytest.mark.parametrize(("function", "text", "operator", "x"), FAULTS)
def test_a_fault_names_operator_and_line(
    function: Callable[[Tensor], Tensor], text: str, operator: str, x: list[list[float]]
) -> None:
    bundle = bundle_around(function)
    fault = fault_of(bundle.predict, [*bundle.state.values(), torch.tensor(x)])
    assert (fault.operator, fault.reason) == (operator, "not finite")
    assert fault.source == f"Middle: {line_of(function, text)}"
    assert 0 < fault.node_index < len(bundle.predict.nodes) - 1


def test_a_fault_of_a_gradient_names_the_line_it_is_of() -> None:
    bundle = bundle_around(take_root)
    x, y = torch.tensor([[0.0, 1.0, 4.0], [1.0, 1.0, 1.0]]), torch.tensor([0, 1])
    assert isinstance(Runner(bundle.predict).run([*bundle.state.values(), x]), list)
    fault = fault_of(bundle.step, [*bundle.state.values(), x, y])
    assert fault.operator == "div"
    assert fault.source == f"backward of Middle: {line_of(take_root, 'x.sqrt()')}"


class Reading(nn.Module):
    """An embedding, so indices from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(7, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.table(x)
        return self.head(rows)


@pytest.mark.parametrize("index", [-1, 7, 1 << 40, -(1 << 63)])
def test_an_index_outside_a_table(index: int) -> None:
    bundle = bundle_of(Reading(), torch.zeros(2, dtype=torch.int64))
    fault = fault_of(bundle.step, [*bundle.state.values(), torch.tensor([6, index]), torch.tensor([0, 1])])
    assert (fault.operator, fault.reason) == ("gather", "an index is outside 0..6")
    assert fault.source.startswith("table: ")


def test_a_class_outside_the_scores() -> None:
    bundle = bundle_around(divide)
    fault = fault_of(bundle.step, [*bundle.state.values(), torch.tensor(GOOD), torch.tensor([0, 2])])
    assert (fault.operator, fault.source, fault.reason) == ("pick", "loss", "an index is outside 0..1")


def test_of_two_faults_the_first_counts() -> None:
    """An index outside stops a run at once; what was not finite before it is still the fault."""
    bundle = bundle_around(divide)
    x = torch.tensor([[1.0, 0.0, 3.0], [2.0, 1.0, 0.5]])
    fault = fault_of(bundle.step, [*bundle.state.values(), x, torch.tensor([0, 9])])
    assert fault.operator == "div"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_an_input_that_is_not_finite(value: float) -> None:
    bundle = bundle_around(divide)
    x = torch.tensor(GOOD)
    x[1, 2] = value
    fault = fault_of(bundle.step, [*bundle.state.values(), x, torch.tensor([0, 1])])
    place = bundle.step.side.input_names.index("x")
    assert fault == Fault(-1 - place, "input", "x", "not finite")
    state = [each.clone() for each in bundle.state.values()]
    state[0][0, 0] = value
    assert fault_of(bundle.step, [*state, x, torch.tensor([0, 1])]).node_index == -1


def test_an_update_that_overflows_names_the_optimizer() -> None:
    torch.manual_seed(1)
    bundle = bundle_of(Middle(take_root), torch.ones(2, 3), lr=3e38)
    x = torch.tensor([[9e6, 4e6, 1e6], [1e6, 9e6, 2e6]])
    fault = fault_of(bundle.step, [*bundle.state.values(), x, torch.tensor([0, 1])])
    assert fault.operator in ("mul", "sub", "add")
    assert "optimizer" in fault.source


def hidden(name: str) -> Program:
    """A program whose second node is not finite for x = [0, 1] and whose third leaves no trace of it."""
    graph = Graph(EXACT15)
    x = graph.add_input("x", "F32", (2,))
    graph.source = "model:7"
    inverse = graph.map("div", graph.scalar(1.0), x)
    graph.source = "model:8"
    zero = graph.scalar(0.0)
    if name in ("eq", "ne", "gt", "ge", "lt", "le"):
        result = graph.compare(name, inverse, zero)
    elif name == "exponent":
        result = graph.put("to_integer", (graph.quantise(inverse, (0,))[1],), shape=(1,), dtype="I64")
    elif name in ("maximum", "minimum"):
        result = graph.map(name, inverse if name == "minimum" else graph.map("neg", inverse), graph.scalar(0.5))
    elif name == "where":
        result = graph.map("where", graph.compare("gt", x, zero), inverse, x)
    elif name == "argmax":
        result = graph.put("argmax", (inverse,), shape=(), dtype="I64")
    elif name == "amax":
        result = graph.put("amax", (graph.map("neg", inverse),), shape=(), dtype="F32")
    elif name == "slice":
        result = graph.slice(inverse, (1,), (1,), (1,))
    elif name == "gather":
        one = graph.constant(torch.tensor([1]))
        result = graph.put("gather", (inverse, one), shape=(1,), dtype="F32")
    elif name == "pick":
        result = graph.put("pick", (inverse, graph.integer(1)), shape=(), dtype="F32")
    elif name == "div":
        result = graph.map("div", x, inverse)
    elif name == "tanh":
        result = graph.map("tanh", inverse)
    elif name == "exp":
        result = graph.map("exp", graph.map("neg", inverse))
    elif name == "erf":
        result = graph.map("erf", inverse)
    elif name == "quantise":
        integers, _ = graph.quantise(inverse, (0,))
        result = graph.put("to_integer", (integers,), shape=(2,), dtype="I64")
    else:
        assert name == "nothing"
        result = x
        return Program(EXACT15, tuple(graph.inputs), tuple(graph.nodes), (x,))
    return graph.finish([result], ["out"])


@pytest.mark.parametrize(
    "name",
    [
        *("eq", "ne", "gt", "ge", "lt", "le", "maximum", "minimum", "where", "amax", "argmax", "slice", "gather"),
        *("pick", "div", "tanh", "exp", "erf", "exponent", "quantise", "nothing"),
    ],
)
def test_nothing_hides_a_fault(name: str) -> None:
    program = hidden(name)
    good = Runner(program).run([torch.tensor([2.0, 1.0])])
    assert isinstance(good, list)
    fault = fault_of(program, [torch.tensor([0.0, 1.0])])
    assert (fault.operator, fault.reason) == ("div", "not finite")
    assert fault.source == ("" if name == "nothing" else "model:7")
