"""The documentation holds: links resolve, snippets run, commands exist, the reference is fresh and complete."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import nbclient
import nbformat
import pytest

from assay.cli import reference
from assay.cli.verbs import FOUND, INTERRUPTED, UNREAD, VERBS, command
from assay.protocol.errors import AssayError, error_tree
from assay.protocol.job import Job
from assay.protocol.sections import reference as job_keys

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
GUIDES = [page for page in PAGES if page.parent.name != "reference"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN = ROOT / "docs/tutorials/first-hour.md"
"""Its commands are run, and two of them are mistakes: see test_transcript."""
PACKAGES = "contracts/node_modules/"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def heading_anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        assert not re.match(r"[a-z]+:", target), f"{target} leaves the repository"
        path, _, anchor = target.partition("#")
        resolved = (page.parent / path).resolve() if path else page
        assert resolved.is_relative_to(ROOT), target
        assert resolved.exists(), target
        if anchor:
            assert anchor in heading_anchors(resolved), target


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_snippets_run(page, tmp_path):
    """All of a page's snippets, one after another in one fresh interpreter."""
    program = "\n".join(blocks(page, "python"))
    arguments = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_snippets_run_in_a_notebook(tmp_path):
    """Each a cell of one kernel, whose event loop runs while they do."""
    cells = [nbformat.v4.new_code_cell(body) for body in blocks(ROOT / "docs/tutorials/your-model.md", "python")]
    book = nbformat.v4.new_notebook(cells=cells)
    done = nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(output.get("text", "") for cell in done.cells for output in cell.outputs)
    assert "job 1 is over" in printed


def commands(page: Path) -> list[str]:
    """What a page tells people to type: all of a block in `sh`, and of one in `console` what follows a prompt."""
    typed = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    shown = "".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    return typed + [line.removeprefix("$ ") for line in shown if line.startswith("$ ")]


def run_version(words: list[str]) -> None:
    """A program out of npm's packages, where they are installed: it is there under this system's name and knows its
    options."""
    if not (ROOT / PACKAGES).is_dir():
        return
    (program,) = ROOT.glob(words[0].replace("linux-amd64", "*"))
    done = subprocess.run([program, *words[1:], "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_console_block_is_read_behind_its_prompt(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ assay zoo \\\n  --json\nits output\n```\n```sh\nmake demo\n```\n")
    assert [shlex.split(line) for line in commands(page)] == [["make", "demo"], ["assay", "zoo", "--json"]]


def test_an_option_that_a_program_does_not_know_is_found():
    anvil = next(line for line in commands(ROOT / "docs/how-to/another-chain.md") if line.startswith(PACKAGES))
    run_version(shlex.split(anvil))
    if (ROOT / PACKAGES).is_dir():
        with pytest.raises(AssertionError):
            run_version([*shlex.split(anvil), "--no-such-option"])


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page) and page != RUN], ids=name_of)
def test_commands_exist(page):
    """Verbs, options, make targets, modules and example arguments that a page tells people to type."""
    top = command()
    assert isinstance(top, click.Group)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in commands(page):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, line
        elif words[0].endswith("assay"):
            verb = top.get_command(click.Context(top), words[1])
            assert verb is not None, line
            until = next((index for index, word in enumerate(words) if word in (">", "|")), len(words))
            verb.make_context(words[1], words[2:until])
        elif words[0].endswith("python"):
            assert words[1] == "-m", line
            module = ROOT / words[2].replace(".", "/")
            assert module.with_suffix(".py").exists() or (module / "__main__.py").exists(), line
        elif words[0].startswith(PACKAGES):
            run_version(words)
        else:
            assert words[0] in {"git", "cd", "cat", "echo", "chmod", "sed"}, line


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=name_of)
def test_job_files_parse(page):
    for body in blocks(page, "toml"):
        Job.parse(body)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_reference_is_fresh(capsys):
    assert reference.main(["--check", "--folder", str(ROOT / "docs/reference")]) == 0, capsys.readouterr().err


def test_stale_reference_fails_and_is_mended(tmp_path, capsys):
    assert reference.main(["--check", "--folder", str(tmp_path)]) == 1
    assert "cli.md" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert reference.main(["--folder", str(tmp_path)]) == 0
    (tmp_path / "cli.md").write_text("old")
    assert reference.main(["--check", "--folder", str(tmp_path)]) == 1
    assert reference.main(["--folder", str(tmp_path)]) == 0
    assert reference.main(["--check", "--folder", str(tmp_path)]) == 0


def test_every_verb_has_examples_and_every_option_a_sentence():
    top = command()
    assert isinstance(top, click.Group)
    for name in VERBS:
        verb = top.get_command(click.Context(top), name)
        assert verb is not None
        assert f"`assay {name}" in (verb.help or "").partition("Examples:")[2]
        for parameter in verb.params:
            assert getattr(parameter, "help", "").endswith("."), f"{name} {parameter.name}"


def test_every_verb_prints_json_and_says_its_own_exit_codes():
    """The codes of refusals are those of the error tree; what a verb ends with besides, its own help says."""
    top = command()
    assert isinstance(top, click.Group)
    for name in VERBS:
        verb = top.get_command(click.Context(top), name)
        assert verb is not None
        assert any("--json" in parameter.opts for parameter in verb.params), name
        assert "-h" in (verb.context_settings or {}).get("help_option_names", ()), name
        source = (ROOT / "assay/cli" / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
        words = " ".join((verb.help or "").split())
        assert ("FOUND" in source) == ("nds with 8" in words), f"{name}: what it ends with"
    page = reference.pages()["errors.md"]
    for code in (
        "0",
        "1",
        str(FOUND),
        str(INTERRUPTED),
        str(UNREAD),
        *(str(error.exit_code) for error in error_tree()),
    ):
        assert f" | {code} | " in page


def test_every_error_is_documented():
    """Also those that other rooms define: every class whose base is in the tree."""
    bases = {error.__name__ for error in error_tree()}
    defined = set()
    for path in (ROOT / "assay").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & bases:
                defined.add(node.name)
    assert defined == bases - {AssayError.__name__}
    page = (ROOT / "docs/reference/errors.md").read_text()
    for error in error_tree():
        assert f"`{error.code}`" in page


def test_every_job_key_is_documented():
    page = (ROOT / "docs/reference/job-file.md").read_text()
    keys = [path for path, *_ in job_keys()]
    assert len(keys) > 30
    for path in keys:
        assert f"`{path.partition('.')[2]}`" in page


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_guides_name_no_machine(page):
    """Paths of one machine and addresses of registries do not belong in a guide."""
    assert not re.search(
        r"[\s\"'=](/home|/root|/tmp|/work)/|index[-]url|https?://(?!127\.0\.0\.1)", page.read_text(encoding="utf-8")
    )
