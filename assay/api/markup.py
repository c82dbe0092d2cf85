"""HTML in which every text is escaped unless it was made here: `tag("p", anything)` is safe by construction."""

import html
from typing import Any

TEXT_MAX = 400
VOID = frozenset({"br", "meta", "line", "path", "polyline", "rect", "circle"})


class Html(str):
    """Text that is already HTML."""

    __slots__ = ()


def clean(value: object) -> str:
    """One line without control or direction-changing characters, cut to `TEXT_MAX`; not yet escaped."""
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def escape(value: object) -> Html:
    """Any value as text of a page."""
    return value if isinstance(value, Html) else Html(html.escape(clean(value)))


def tag(name: str, /, *children: object, **attributes: Any) -> Html:
    """An element. Children are escaped unless `Html`; None and False are left out, as attributes too; `class_` is
    `class`, `stroke_width` is `stroke-width`, True is an attribute without a value."""
    shown = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Html(f"<{name}{shown}>" if name in ("br", "meta") else f"<{name}{shown}/>")
    return Html(f"<{name}{shown}>{join(*children)}</{name}>")


def join(*children: object) -> Html:
    """Children one after another."""
    return Html("".join(escape(child) for child in children if child is not None and child is not False))
