"""Operators beyond the shipped nets, the losses and the optimizers: the exact step against PyTorch's own."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from assay.protocol.errors import BadInput, Unsupported
from assay.work.capture import Capture, capture
from assay.work.interpret import Runner
from assay.work.optimizer import Optimizer
from assay.work.outer import Outer
from assay.work.program import Program
from assay.work.walk import Fault

SGD = {"name": "sgd", "lr": 0.1}
STEPS = 2


class Net(nn.Module):
    """Layers, then a linear head."""

    def __init__(self, layers: nn.Module, x: Tensor) -> None:
        super().__init__()
        self.layers = layers
        self.head = nn.Linear(layers(x).flatten(1).shape[1], 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).flatten(1))


class Apply(nn.Module):
    """A function of what a linear layer gives."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.before = function, nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.before(x))


class Attention(nn.Module):
    """Attention by PyTorch's function: `form` is its masking; two heads, or two of queries on one of keys."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.queries = form, nn.Linear(8, 8)
        self.keys_and_values = nn.Linear(8, 8 if form == "grouped" else 16)
        angles = torch.outer(torch.arange(4.0), 1 / 10 ** torch.arange(2.0))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def turn(self, a: Tensor) -> Tensor:
        first, second = a.chunk(2, -1)
        return torch.cat([first * self.cos - second * self.sin, first * self.sin + second * self.cos], -1)

    def forward(self, x: Tensor) -> Tensor:
        size_b, size_t, _ = x.shape
        both = self.keys_and_values(x).chunk(2, -1)
        q, k, v = (each.view(size_b, size_t, -1, 4).transpose(1, 2) for each in (self.queries(x), *both))
        places = torch.arange(size_t)
        options = {
            "plain": {},
            "causal": {"is_causal": True},
            "grouped": {"is_causal": True, "enable_gqa": True},
            "mask": {"attn_mask": torch.ones(size_t, size_t).tril(1).bool()},
            "empty row": {"attn_mask": places[:, None] > places},
            "bias": {"attn_mask": torch.where(places[:, None] >= places, 0.0, -1e9)},
            "rotary": {"is_causal": True},
        }[self.form]
        q, k = (self.turn(q), self.turn(k)) if self.form == "rotary" else (q, k)
        return functional.scaled_dot_product_attention(q, k, v, **options).transpose(1, 2)


class Recurrent(nn.Module):
    """The outputs of a recurrent layer, or of a cell along the time axis."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(self.layer, nn.RNNCellBase):
            return self.layer(x[:, :2])[0]
        hidden = memory = torch.zeros(x.shape[0], 3)
        for part in x[:, :2].unbind(1):
            if isinstance(self.layer, nn.LSTMCell):
                hidden, memory = self.layer(part, (hidden, memory))
            else:
                hidden = self.layer(part, hidden)
        return hidden


class Tied(nn.Module):
    """Tokens embedded and answered by one table."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(7, 6), nn.Linear(6, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.table(tokens).mean(1))


class Adapted(nn.Module):
    """A frozen layer and an adapter of low rank beside it (LoRA, Hu et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(8, 5).requires_grad_(False)
        self.down, self.up = nn.Parameter(torch.randn(2, 8)), nn.Parameter(torch.randn(5, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.down.t() @ self.up.t()


class Masked(nn.Module):
    """Attention by hand, with the mask of minus infinity of most tutorials."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        below = torch.tril(torch.ones(4, 4))
        return (q @ k.transpose(-1, -2)).masked_fill(below == 0, float("-inf")).softmax(-1) @ v


def frozen_norm() -> nn.Module:
    norm = nn.BatchNorm2d(4)
    norm.train = lambda mode=True: norm  # type: ignore[method-assign]
    norm.training = False
    return nn.Sequential(nn.Conv2d(2, 4, 3), norm)


IMAGES: dict[str, Callable[[], nn.Module]] = {
    "zeros around": lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(2, 3, (4, 2)), nn.ZeroPad2d(-1)),
    "circular": lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"),
    "group norm": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4)),
    "instance norm": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4, affine=True)),
    "frozen batch norm": frozen_norm,
    "upsampled": lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Upsample(scale_factor=2)),
    "transposed": lambda: nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1, dilation=(1, 2)),
    "transposed twice": lambda: nn.Sequential(nn.Conv2d(2, 4, 5), nn.ConvTranspose2d(4, 2, (2, 3), groups=2)),
    "transposed line": lambda: nn.Sequential(nn.Flatten(2), nn.ConvTranspose1d(2, 2, 4, stride=2, padding=1)),
    "many groups": lambda: nn.Sequential(
        nn.Conv2d(2, 68, 1), nn.Conv2d(68, 136, 3, stride=2, padding=1, groups=68), nn.AdaptiveAvgPool2d(1)
    ),
    "padded beyond the kernel": lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 2, stride=2, padding=3)),
    "adaptive pool": lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d((4, 2))),
    "adaptive maximum": lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveMaxPool2d((3, 2))),
    "adaptive line": lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(2), nn.AdaptiveAvgPool1d(7)),
    "padding left out": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
    ),
    "pixel shuffle": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.PixelShuffle(2)),
}
SEQUENCES: dict[str, Callable[[], nn.Module]] = {
    **{
        f"attention, {form}": lambda form=form: Attention(form)  # type: ignore[misc]
        for form in ("plain", "causal", "grouped", "mask", "empty row", "bias", "rotary")
    },
    "attention, minus infinity": Masked,
    "encoder layer": lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True),
    "gru": lambda: Recurrent(nn.GRU(8, 3, batch_first=True, bidirectional=True)),
    "lstm": lambda: Recurrent(nn.LSTM(8, 3, batch_first=True)),
    "rnn": lambda: Recurrent(nn.RNN(8, 3, batch_first=True)),
    "gru cell": lambda: Recurrent(nn.GRUCell(8, 3)),
    "lstm cell": lambda: Recurrent(nn.LSTMCell(8, 3)),
    "rms norm": lambda: nn.Sequential(nn.Linear(8, 8), nn.RMSNorm(8)),
    "prelu": lambda: nn.Sequential(nn.Linear(8, 8), nn.PReLU()),
}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softplus": lambda x: functional.softplus(x) + functional.softplus(9 * x, beta=3, threshold=5),
    "elu": lambda x: functional.elu(x, 0.7) + functional.selu(x) + functional.celu(x, 1.3),
    "leaky relu": lambda x: functional.leaky_relu(x, 0.2),
    "mish": functional.mish,
    "hard": lambda x: functional.hardtanh(2 * x) + functional.hardswish(4 * x) + functional.hardsigmoid(4 * x),
    "relu6": lambda x: functional.relu6(8 * x),
    "log sigmoid": lambda x: functional.logsigmoid(9 * x),
    "shrunk": lambda x: functional.softshrink(x, 0.2) + functional.hardshrink(x, 0.2) + functional.softsign(x),
    "glu": lambda x: functional.glu(x, -1),
    "threshold": lambda x: functional.threshold(x, 0.1, 0.2),
    "near zero": lambda x: torch.expm1(x * 1e-3) * 1e3 + torch.log1p(x.abs() * 1e-3) * 1e3,
    "larger": lambda x: torch.maximum(x, x * x) + torch.minimum(x, x.flip(-1)) + x.clamp(min=x.detach() * 0.5),
    "largest": lambda x: x.max(-1, keepdim=True).values + x.min(-1, keepdim=True).values * x + x.amin(-1, True),
    "spread": lambda x: x.var(-1, keepdim=True) * x + x.std(-1, keepdim=True, unbiased=False) * x,
    "length": lambda x: functional.normalize(x, dim=-1) + x.norm(1, dim=-1, keepdim=True),
    "angle": lambda x: x * functional.cosine_similarity(x, x * x, dim=-1)[:, None],
    "log sum": lambda x: x - x.logsumexp(-1, keepdim=True),
    "triangles": lambda x: (x[:, :, None] * x[:, None]).tril(-1).sum(-1) + (x[:, :, None] * x[:, None]).triu(1).sum(-1),
    "moved": lambda x: x.roll(3, -1) * x.repeat(1, 2)[:, 4:12] + torch.cat([x[:, ::3], x[:, 1::3], x[:, 2::3]], 1),
    "padded": lambda x: functional.pad(x, (2, 1), value=0.5)[:, 1:] + functional.pad(x, (-1, 3)),
    "indexed": lambda x: x[:, torch.tensor([1, 0, 3, 3, -1])] + x[:, :5].index_select(1, torch.tensor([4, 4, 1, 0, 2])),
    "products": lambda x: torch.outer(x[:, 0], x[0]) + torch.dot(x[0], x[1]) * x + (x @ x[0])[:, None],
    "powers": lambda x: (x * x + 1) ** -1.5 + (x.abs() + 1) ** 2.5 + (x * x + 1) ** -2 + 10.0**x,
    "binary": lambda x: torch.exp2(x) + torch.log2(x * x + 1),
    "combined": lambda x: torch.lerp(x, x * x, 0.3) + torch.addcmul(x, x, x, value=0.5),
}


def run(program: Program, state: list[Tensor], *inputs: Tensor) -> list[Tensor]:
    """One step, by the fast path and by the reference, which agree."""
    fast, reference = Runner(program).run([*state, *inputs]), Runner(program, "int64").run([*state, *inputs])
    assert not isinstance(fast, Fault), fast
    assert not isinstance(reference, Fault), reference
    assert all(torch.equal(a, b) for a, b in zip(fast, reference, strict=True))
    return fast


def compare(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    loss: str | Callable[..., Tensor] = "cross_entropy",
    spec: dict | None = None,
    native: Callable[..., torch.optim.Optimizer] | None = None,
    clip: float | None = None,
) -> None:
    """Two steps cost and move what PyTorch's do."""
    cost = functional.cross_entropy if isinstance(loss, str) else loss
    capturing = Capture(model, cost, Optimizer.parse(spec or SGD), Outer(), x, y, "exact15")
    program, state = capturing.step(), list(capturing.start.values())
    twin = copy.deepcopy(model).train()
    trained = [each for each in twin.parameters() if each.requires_grad]
    optimizer = native(trained) if native else torch.optim.SGD(trained, lr=0.1)
    for _ in range(STEPS):
        *state, total = run(program, state, x, y)
        expected = cost(twin(x), y)
        optimizer.zero_grad()
        expected.backward()
        if clip:
            nn.utils.clip_grad_norm_(trained, clip)
        optimizer.step()
        assert float(total) == pytest.approx(float(expected.detach()), rel=1e-3)
    known = {**dict(twin.named_parameters()), **dict(twin.named_buffers())}
    for name, new in zip(capturing.start, state, strict=True):
        if name not in known:
            continue
        before, after = capturing.start[name], known[name].detach()
        bound = 5e-3 * float((after - before).double().norm()) + 1e-5
        assert float((new - after).double().norm()) <= bound, name


@pytest.mark.parametrize("name", IMAGES)
def test_layers_over_images(name: str) -> None:
    torch.manual_seed(11)
    x = torch.randn(4, 2, 8, 8)
    compare(Net(IMAGES[name](), x), x, torch.arange(4) % 5)


@pytest.mark.parametrize("name", SEQUENCES)
def test_layers_over_sequences(name: str) -> None:
    torch.manual_seed(12)
    x = torch.randn(4, 4, 8)
    compare(Net(SEQUENCES[name](), x), x, torch.arange(4) % 5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    torch.manual_seed(13)
    x = torch.randn(6, 8)
    compare(Net(Apply(FUNCTIONS[name]), x), x, torch.arange(6) % 5)


def test_tied_and_frozen_weights() -> None:
    torch.manual_seed(14)
    compare(Tied(), torch.randint(0, 7, (4, 3)), torch.arange(4))
    compare(Adapted(), torch.randn(4, 8), torch.arange(4))


def test_padding_of_an_embedding_does_not_learn() -> None:
    torch.manual_seed(15)
    tokens = torch.tensor([[0, 1, 2], [3, 0, 0], [4, 5, 6], [0, 6, 1]])
    compare(Net(nn.Embedding(7, 4, padding_idx=0), tokens), tokens, torch.arange(4))


def test_a_row_that_is_masked_whole_gives_nothing() -> None:
    torch.manual_seed(16)
    model = nn.Sequential(Attention("empty row"), nn.Flatten(), nn.Linear(32, 5))
    x, y = torch.randn(4, 4, 8), torch.arange(4)
    bundle = capture(model[:2], lambda out, y: (out * out).mean() + 0.0 * y.sum(), SGD, x, y.float(), counts=[1])
    answer = Runner(bundle.predict).run([*bundle.state.values(), x])
    assert isinstance(answer, list)
    assert not answer[0].reshape(4, 4, 8)[:, 0].any()
    assert answer[0].reshape(4, 4, 8)[:, 1].any()


CLASSES = torch.arange(6) % 5
SHARES = torch.rand(6, 5, generator=torch.Generator().manual_seed(1))
HOLES = torch.tensor([0, -100, 2, 3, -100, 1])
LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tensor]] = {
    "smoothing": (lambda out, y: functional.cross_entropy(out, y, label_smoothing=0.1), CLASSES),
    "left out": (functional.cross_entropy, HOLES),
    "left out by number": (lambda out, y: functional.cross_entropy(out, y, ignore_index=1), CLASSES),
    "left out and smoothing": (lambda out, y: functional.cross_entropy(out, y, label_smoothing=0.1), HOLES),
    "weights": (lambda out, y: functional.cross_entropy(out, y, weight=torch.arange(1.0, 6.0)), HOLES),
    "sum": (lambda out, y: functional.cross_entropy(out, y, reduction="sum"), HOLES),
    "of each": (lambda out, y: functional.cross_entropy(out, y, reduction="none", ignore_index=2)[1:].mean(), CLASSES),
    "pixels": (lambda out, y: functional.cross_entropy(out.view(2, 5, 3, 1), y.view(2, 3, 1)), HOLES),
    "shares": (lambda out, y: functional.cross_entropy(out, y.softmax(-1)), SHARES),
    "mse": (functional.mse_loss, SHARES),
    "l1": (functional.l1_loss, SHARES),
    "smooth l1": (lambda out, y: functional.smooth_l1_loss(out, y, beta=0.3), SHARES),
    "huber": (lambda out, y: functional.huber_loss(out, y, delta=0.3), SHARES),
    "bce": (lambda out, y: functional.binary_cross_entropy(out.sigmoid(), y), SHARES),
    "bce of logits": (functional.binary_cross_entropy_with_logits, SHARES),
    "bce of weighted logits": (
        lambda out, y: functional.binary_cross_entropy_with_logits(out, y, pos_weight=torch.arange(1.0, 6.0)),
        SHARES,
    ),
    "kl": (lambda out, y: functional.kl_div(out.log_softmax(-1), y, reduction="batchmean"), SHARES),
    "kl of logarithms": (
        lambda out, y: functional.kl_div(out.log_softmax(-1), y.log_softmax(-1), reduction="sum", log_target=True),
        SHARES,
    ),
    "soft margin": (lambda out, y: functional.soft_margin_loss(out, (y - 0.5).sign()), SHARES),
    "angle": (lambda out, y: functional.cosine_embedding_loss(out, y, torch.ones(6)), SHARES),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    torch.manual_seed(17)
    loss, y = LOSSES[name]
    compare(nn.Linear(8, 5), torch.randn(6, 8), y, loss)


def test_a_batch_without_targets_costs_nothing() -> None:
    model, x = nn.Linear(8, 5), torch.randn(6, 8)
    bundle = capture(model, "cross_entropy", SGD, x, HOLES, counts=[1])
    *state, loss = run(bundle.step, list(bundle.state.values()), x, torch.full((6,), -100))
    assert float(loss) == 0.0
    assert all(torch.equal(a, b) for a, b in zip(state, bundle.state.values(), strict=True))


def test_an_odd_class_is_a_fault_where_none_was_left_out_at_capture() -> None:
    model, x = nn.Linear(8, 5), torch.randn(6, 8)
    bundle = capture(model, "cross_entropy", SGD, x, CLASSES, counts=[1])
    assert isinstance(Runner(bundle.step).run([*bundle.state.values(), x, HOLES]), Fault)


OPTIMIZERS: dict[str, tuple[dict, Callable[..., torch.optim.Optimizer]]] = {
    "nesterov": (
        {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    ),
    "adam": (
        {"name": "adam", "lr": 0.01, "weight_decay": 0.1},
        lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    ),
    "adagrad": (
        {"name": "adagrad", "lr": 0.1, "weight_decay": 0.1, "eps": 1e-10},
        lambda p: torch.optim.Adagrad(p, lr=0.1, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("bound", [None, 0.5])
def test_optimizers(name: str, bound: float | None) -> None:
    torch.manual_seed(18)
    spec, native = OPTIMIZERS[name]
    spec = {**spec, "clip_norm": bound} if bound else spec
    compare(nn.Linear(8, 5), torch.randn(6, 8), CLASSES, spec=spec, native=native, clip=bound)


def test_lion_moves_by_signs() -> None:
    torch.manual_seed(19)
    spec = {"name": "lion", "lr": [0.01, 0.02], "betas": [0.9, 0.99], "weight_decay": 0.5}
    model, x = nn.Linear(8, 5), torch.randn(6, 8)
    bundle = capture(model, "cross_entropy", spec, x, CLASSES, counts=[1])
    state, weight, moment = list(bundle.state.values()), model.weight.detach(), torch.zeros(5, 8)
    for rate in (0.01, 0.02):
        loss = functional.cross_entropy(functional.linear(x, weight.requires_grad_(), state[1]), CLASSES)
        (gradient,) = torch.autograd.grad(loss, weight)
        direction = (0.9 * moment + 0.1 * gradient).sign()
        weight, moment = (weight * (1 - rate * 0.5) - rate * direction).detach(), 0.99 * moment + 0.01 * gradient
        *state, _ = run(bundle.step, state, x, CLASSES)
        assert torch.allclose(state[0], weight, atol=1e-6)


def test_odd_bounds_are_refused() -> None:
    with pytest.raises(BadInput, match="clip_norm"):
        capture(nn.Linear(8, 5), "cross_entropy", {**SGD, "clip_norm": 0}, torch.randn(6, 8), CLASSES)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[x > 0].sum() + x, "mask"),
        (lambda x: functional.dropout(x, 0.5), "outside training"),
        (lambda x: x * float(x.detach().sum()), r"read into Python at layers: test_operators"),
        (lambda x: x.norm(3, dim=-1, keepdim=True) + x, "order 3"),
    ],
)
def test_what_has_no_exact_form_says_so(function: Callable[[Tensor], Tensor], message: str) -> None:
    x = torch.randn(6, 8)
    with pytest.raises(Unsupported) as caught:
        capture(Net(Apply(function), x), "cross_entropy", SGD, x, CLASSES)
    assert message in f"{caught.value.message} {caught.value.hint}"
