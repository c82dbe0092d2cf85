"""`assay infer`: a trained model's answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli.place import HomeOption, JsonOption

ANSWERS_SHOWN = 20
NUMBER_DIGITS = 18


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Number of a model, or a folder that was fetched.")],
    inputs: Annotated[
        Path | None, typer.Option("--input", metavar="PATH", help="A .npy file of inputs, the first axis counts them.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=0, help="Ask a held-out sample of the job instead, counted from 0.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a model. Its committed program of predictions answers with the same bits on every machine.

    Examples:

    - `assay infer 1 --sample 3`

    - `assay infer 1 --input x.npy`

    - `assay infer model --input x.npy --json`
    """
    from assay.cli.terminal import out, plain, print_json
    from assay.protocol.errors import BadInput

    if (inputs is None) == (sample is None):
        raise BadInput("say what to ask it", hint="give --input x.npy or --sample 3, one of them")
    answers = _ask(model, inputs, sample, home)
    if as_json:
        print_json({"model": model, "answers": answers})
        return
    console = out()
    for index, answer in enumerate(answers[:ANSWERS_SHOWN]):
        words = ", ".join(f"{name} {value}" for name, value in answer.items())
        console.print(plain(f"{sample if sample is not None else index}: ") + plain(words, "bold"))
    if len(answers) > ANSWERS_SHOWN:
        console.print(plain(f"and {len(answers) - ANSWERS_SHOWN} more; --json prints all", "dim"))


def _ask(model: str, inputs: Path | None, sample: int | None, home: Path | None) -> list[dict[str, Any]]:
    import torch

    from assay.api.lineage import read_folder, read_input
    from assay.api.model import find_model, lines_of
    from assay.cli.session import open_network
    from assay.protocol.errors import BadInput

    x = torch.from_numpy(read_input(inputs)) if inputs is not None else None
    if not model.isdecimal():
        if x is None:
            raise BadInput("a folder holds no samples", hint="give --input x.npy")
        predictor, _ = read_folder(Path(model))
        return lines_of(*predictor.outputs(x))
    if len(model) > NUMBER_DIGITS:
        raise BadInput(f"there is no model {model[:NUMBER_DIGITS]}…", hint="list them with: assay models")
    with open_network(home) as network:
        found = find_model(network.client, int(model))
        if x is not None:
            return lines_of(*found.module().outputs(x))
        test = found.assignment.test
        assert sample is not None
        if sample >= test.count:
            raise BadInput(f"there are {test.count} held-out samples", hint=f"choose one from 0 to {test.count - 1}")
        rows = lines_of(*found.module().outputs(torch.from_numpy(test.x[sample : sample + 1])))
        return [{**rows[0], "label": test.y[sample].tolist()}]
