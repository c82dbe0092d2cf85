"""`assay replay`: a past job from its events, from the initial state to the registered one."""

from typing import Annotated, Any

import typer

from assay.cli.place import HomeOption, JsonOption


def run(
    job: Annotated[int, typer.Argument(min=1, metavar="JOB", help="Number of a job.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> int | None:
    """Go through a job again: its events, and each round's published updates from the initial state to the final one.

    Nothing is trained again; for that there is `assay audit`. Ends with 8 when the states do not follow from each
    other.

    Examples:

    - `assay replay 1`

    - `assay replay 1 --json`
    """
    from assay.api.inspect import replay
    from assay.cli.board import describe
    from assay.cli.session import open_network
    from assay.cli.terminal import out, plain, print_json
    from assay.cli.verbs import FOUND

    console, rounds = out(), []
    with open_network(home) as network:
        posted = network.job(job)
        status, story = posted.status(), posted.story()
        if not as_json:
            for event in story:
                line = describe(event)
                if line is not None:
                    console.print(plain(line))

        def on_round(each: dict[str, Any]) -> None:
            rounds.append(each)
            if not as_json:
                words = f"round {each['round']}: {each['updates']} updates give state {each['state_root']}"
                console.print(plain(words, "dim"))

        network.client.reader.hear()
        verdict = replay(network.client.reader, job, on_round)
    if as_json:
        print_json({"job": job, "honest": verdict.honest, "words": verdict.words, "rounds": rounds, "status": status})
    else:
        console.print(plain(verdict.words, "bold green" if verdict.honest else "bold red"))
    return None if verdict.honest else FOUND
