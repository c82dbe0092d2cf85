"""A job file to begin with: every key with its comment, set where it matters, else shown with its default."""

from dataclasses import MISSING, fields
from inspect import getdoc
from textwrap import wrap
from typing import Any

from assay.protocol import keys
from assay.protocol.sections import SECTIONS, Optimizer, Stop

HEAD = """# A job for Assay. `assay quote {file}` says what it costs and spends nothing; `assay post {file}` posts it.
# Keys that begin with "#" show their default. Amounts are whole tokens in quotes, durations are text like "30m".
# What a posted job makes public, for good: the captured program, its data, this file, all weights.
"""
WIDTH = 112
NESTED = {"train.optimizer": Optimizer, "train.stop": Stop}


def write_template(file: str, settings: dict[str, dict[str, Any]]) -> str:
    """The text of a job file in which `settings` (by section and key) are set."""
    lines = [HEAD.format(file=file)]
    for name, (_, section) in SECTIONS.items():
        lines += [f"[{name}]", f"# {getdoc(section)}", ""]
        for field in fields(section):
            lines += _lines(name, field, settings.get(name, {}))
        lines.append("")
    return "\n".join(lines)


def _lines(section: str, field: Any, given: dict[str, Any]) -> list[str]:
    key, kind = keys.key_name(field), field.metadata["kind"]
    path = f"{section}.{key}"
    if path in NESTED:
        rows = [
            f"  {row[0].removeprefix(path + '.')}: {row[3]} ({row[1]})" for row in keys.describe(NESTED[path], path)
        ]
        words = [field.metadata["doc"], *rows]
    else:
        words = [f"{field.metadata['doc']} ({kind.words})"]
    comment = [f"# {line}" for each in words for line in wrap(each, WIDTH, subsequent_indent="  ")]
    if key in given:
        return [*comment, f"{key} = {toml(given[key])}"]
    if field.default is MISSING:
        raise ValueError(f"{path} has no default")
    value = None if field.metadata["derived"] else kind.write(field.default)
    if value is None:
        example = {"train.stop": '{ metric = "accuracy", at = 0.97 }', "train.accumulate": "1"}.get(path, "...")
        return [*comment, f"# {key} = {example}"]
    return [*comment, f"# {key} = {toml(value)}"]


def toml(value: Any) -> str:
    """A plain value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)
