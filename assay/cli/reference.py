"""The reference pages, written from the code they describe: `python -m assay.cli.reference [--check]`.

`--check` writes nothing and fails if a page in docs/reference is not what would be written.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from inspect import cleandoc, getdoc
from pathlib import Path

import click

from assay.cli import INTERRUPTED
from assay.cli.doctor import UNWELL
from assay.cli.verbs import FOUND, UNREAD, VERBS, command
from assay.protocol.errors import AssayError, error_tree

FOLDER = Path("docs/reference")
EXAMPLE = """\
[job]
name = "digits-mlp"
budget = "250"

[match]
providers = 6
validators = 5

[model]
architecture = "assay.architectures:mlp"
init = "seed:7"

[data]
source = "sklearn:digits"

[train]
optimizer = { name = "adamw", lr = 1e-3 }
rounds = 12
steps = 48
batch_size = 32

[aggregate]
rule = "mean"

[verify]
rate = 0.13
quorum = "3 of 5"
"""
"""A whole job file; what it leaves out has defaults."""

NOTE = "<!-- Written by `python -m assay.cli.reference`: change the code it is read from. -->"


def pages() -> dict[str, str]:
    """Every page by its file name."""
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "cli.md": _cli,
        "errors.md": _errors,
        "job-file.md": _job_file,
        "report.md": _report,
        "zoo.md": _zoo,
        "primitives.md": _primitives,
        "operators.md": _operators,
    }
    return {name: NOTE + "\n\n" + "\n\n".join(make()) + "\n" for name, make in makers.items()}


def _cli() -> Iterator[str]:
    yield "# Verbs"
    yield (
        "Every verb takes `--json` for one JSON object on standard output and nothing else there, and `-h` or `--help`."
        " `assay --version` says the version alone."
        " A refusal is a message with a hint on standard error and an [exit code](errors.md); with `--json` it is an"
        " object with `error`, `message` and `hint`."
    )
    top = command()
    context = click.Context(top, info_name="assay")
    assert isinstance(top, click.Group)
    for name in VERBS:
        verb = top.get_command(context, name)
        assert verb is not None
        yield f"## assay {name}"
        yield cleandoc(verb.help or "").replace("`\n\n- `", "`\n- `")
        rows = [
            (f"`{argument.metavar or argument.name}`", getattr(argument, "help", ""), "")
            for argument in verb.params
            if isinstance(argument, click.Argument)
        ]
        rows += [
            (f"`{', '.join(option.opts)}`{_metavar(option)}", option.help or "", _default(option))
            for option in verb.params
            if isinstance(option, click.Option)
        ]
        yield _table(("argument or option", "what it does", "default"), rows)


def _metavar(option: click.Option) -> str:
    if option.is_flag:
        return ""
    kind = option.type
    if isinstance(kind, click.Choice):
        return f" {'|'.join(kind.choices)}"
    if isinstance(kind, click.IntRange):
        return f" {kind.min}..{'' if kind.max is None else kind.max}"
    return f" {option.metavar or kind.name.upper()}"


def _default(option: click.Option) -> str:
    plain = isinstance(option.default, str | int | Path) and not option.is_flag
    return f"`{option.default}`" if plain else ""


def _errors() -> Iterator[str]:
    yield "# Errors and exit codes"
    yield (
        "A refusal is an error of one tree. Its `code` and exit code are stable, `--json` shows them as `error` and the"
        " process's status; its hint says what to do next. An error's kinds have codes of their own and their family's"
        " exit code. Cheating is not an error but a verdict, and a bug is any other exception: it shows its traceback."
    )
    rows = [("", "0", "Done."), ("", "1", "A bug: please report it with its traceback.")]
    rows += [(_linked(error), str(error.exit_code), _sentence(error)) for error in error_tree()]
    rows.append(("", str(FOUND), "An audit, a replay or the check of a bundle found what is not as it was committed."))
    rows.append(("", str(UNWELL), "`assay doctor` found something that keeps one from taking part."))
    rows.append(("", str(INTERRUPTED), "Interrupted by Ctrl-C."))
    rows.append(("", str(UNREAD), "Whoever read the output has left, like `head`."))
    yield _table(("code", "exit code", "meaning"), rows)
    for error in error_tree():
        if error is not AssayError:
            yield f"## {error.code}"
            yield " ".join((getdoc(error) or "").split())
            family = next(base for base in error.__mro__[1:] if issubclass(base, AssayError))
            kind = "" if family is AssayError else f" A kind of [{family.code}](#{family.code})."
            yield f"Exit code {error.exit_code}.{kind}"
            yield f"**What to do.** {error.remedy}"


def _linked(error: type[AssayError]) -> str:
    return f"`{error.code}`" if error is AssayError else f"[`{error.code}`](#{error.code})"


def _sentence(error: type[AssayError]) -> str:
    return (getdoc(error) or "").partition(" Fields:")[0]


def _job_file() -> Iterator[str]:
    from assay.protocol.sections import SECTIONS, reference

    yield "# The job file"
    yield (
        "`assay init` writes one with a comment on every key, `assay quote` says what it costs, `assay post` posts it;"
        " [your own model](../tutorials/your-model.md) shows how. In Python, `assay.Job.load` reads one and refuses"
        " what does not hold."
    )
    yield (
        "A TOML file, one section per stage of a job. Keys without a default must be given. Amounts are decimal text in"
        ' whole tokens (`"250"`); durations are seconds or text (`"30m"`, `"12h"`).'
    )
    yield f"```toml\n{EXAMPLE}```"
    keys = list(reference())
    for name, (_, section) in SECTIONS.items():
        yield f"## [{name}]"
        yield getdoc(section) or ""
        rows = [
            (
                f"`{path.removeprefix(name + '.')}`",
                text,
                kind,
                default if default in ("", "required") else f"`{default}`",
            )
            for path, kind, default, text in keys
            if path.startswith(f"{name}.")
        ]
        yield _table(("key", "what it says", "what it may hold", "default"), rows)


def _report() -> Iterator[str]:
    from assay.api.schema import describe

    yield "# The report of a job"
    yield (
        "`report.json`, and what `assay demo --json` prints. Amounts are decimal text in whole tokens. A key marked `?`"
        " may be missing, a kind marked `?` may be null. `assay.api.report.render_report` makes the page from it."
    )
    yield _table(("key", "kind", "meaning"), ((f"`{path}`", kind, text) for path, kind, text in describe()))


def _zoo() -> Iterator[str]:
    from assay.roles.zoo import CARDS, UNCAUGHT

    yield "# The zoo"
    yield (
        "Every cheat that the tests play beside honest controls, and what catches it. The names are what"
        " `assay demo --cheaters` takes."
    )
    yield _table(
        ("cheat", "role", "what it does", "caught by", "what that costs it"),
        ((f"`{card.name}`", card.role, card.does, card.caught_by, card.consequence) for card in CARDS),
    )
    yield "## How surely, and for how much"
    yield from _found()
    yield "## Not caught"
    yield _table(("what", "why"), UNCAUGHT)


def _found() -> Iterator[str]:
    """What each cheat meets under the scheme that is built, in the demo's job."""
    from assay.api.cast import DemoOptions
    from assay.api.demo import RECIPES
    from assay.market.detection import job_detection, round_detection
    from assay.roles.zoo import CARDS, FOUND, Card

    recipe, options = RECIPES["sklearn:digits", "mlp"], DemoOptions()
    slots, segments = options.providers + 1, recipe.steps // recipe.segment_steps
    pairs, false = slots * segments, {"all": segments, "half": segments // 2, "one": 1}

    def row(card: Card) -> tuple[str, ...]:
        _, honest, price = FOUND[card.found]
        if not card.false:
            return f"`{card.name}`", honest, "1", "1", price
        once = round_detection(pairs, false[card.false], recipe.samples, options.validators)
        return f"`{card.name}`", honest, f"{once:.3f}", f"{job_detection(once, recipe.rounds):.3f}", price

    yield (
        f"The scheme is `recompute`, the only one that is built. The figures are for the demo's job: {slots} slots of"
        f" {segments} segments, one of the slots a cheat's, {options.validators} validators who sample"
        f" {recipe.samples} segments each, {recipe.rounds} rounds. They are for samples alone; a watch-tower"
        " re-executes everything, so that with one that is honest each is 1. A cheat that is not about work is found"
        " whenever those who have to be honest are."
    )
    yield _table(
        ("cheat", "who has to be honest", "found in a round", "in a job", "what it takes on chain"), map(row, CARDS)
    )
    yield (
        "A game costs up to 2 million gas in 4 to 14 moves, beside 1 million to seal, open and settle it"
        " ([figures](../../bench/results/dispute.md)); the loser's bond or stake pays the winner. Disputes move"
        " no stake of anybody else."
    )


def _primitives() -> Iterator[str]:
    from assay.exact.primitives import PRIMITIVES

    yield "# Primitives of the normal form"
    yield (
        "A program is a list of these nodes. Each has one result, defined by mathematics, on every machine."
        " [Why](../decisions/0003-exact-integers.md)."
    )
    rows = (
        (
            str(row.opcode),
            f"`{row.name}`",
            row.summary,
            "any" if row.arity < 0 else str(row.arity),
            ", ".join(f"`{name}`" for name in row.attributes),
            str(row.version),
        )
        for row in PRIMITIVES
    )
    yield _table(("opcode", "name", "result", "inputs", "attributes", "version"), rows)


CAPTURED = """\
- **Models:** linear layers; convolutions over one and two axes with stride, padding, dilation and groups, and
  transposed ones; maximum, average and adaptive pools; layer, RMS, group, instance and batch norm (training and
  frozen); dropout; embeddings; attention by hand and by `scaled_dot_product_attention` (causal, masked, multi-head,
  grouped-query, rotary); RNN, GRU and LSTM, layers and cells; tied and frozen weights, so adapters like LoRA too.
- **Losses:** cross-entropy (also over images, with smoothing, class weights and targets left out), mean squared and
  absolute error, smooth L1, Huber, binary cross-entropy of shares and of logits, Kullback-Leibler, cosine embedding.
- **Optimizers:** {optimizers}; a learning rate per step; gradients cut to a length together (`clip_norm`); a batch in
  micro-batches (`accumulate`); a moving average of the weights (`average`).
- **Arithmetic:** operands of 8, 15 or 22 bits, for the whole model or by module.

Minus infinity as a mask becomes a finite number far below any score, and a row that is masked whole gives zeros.
Targets that a named loss is told to `ignore` are always left out, and so is a function's `ignore_index` but for -100.
-100, which PyTorch means where nothing is said, is left out where the data has such targets, and else is a fault. A
batch whose targets are all left out costs 0. When a model is measured, negative targets and what `ignore` names do not
count.

What is not listed below is refused at capture, with the operator, the module's path in the model and the line."""


def _operators() -> Iterator[str]:
    from assay.work.lower import RULES
    from assay.work.optimizer import MOMENTS
    from assay.work.trace import TABLES

    yield "# What can be captured"
    yield CAPTURED.format(optimizers=", ".join(MOMENTS))
    for table in TABLES:
        names = sorted(name for name, rule in RULES.items() if rule.__module__ == table.__name__)
        yield f"## {(getdoc(table) or '').splitlines()[0]}"
        yield ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with `--check` compare them."""
    parser = argparse.ArgumentParser(prog="python -m assay.cli.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    stale = []
    for name, text in pages().items():
        path = folder / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not options.check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if options.check and stale:
        sys.stderr.write(f"stale in {folder}: {', '.join(stale)}; run python -m assay.cli.reference\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
