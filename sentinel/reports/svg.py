"""SVG from values: a few lines around the standard library's own XML writer, which does the escaping.

Text goes through the same pipe as for the log: in it is what a gateway and its providers are called.
A drawing library would bring fonts, scripts or a hundred options; what is drawn here are bars, lines
and words. Colours come from a palette of pairs, for light and for dark, and are never the only sign.
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, indent, tostring

from sentinel import logs

MOST_TEXT = 2000
"""Characters of one piece of text."""


def tag(name: str, *children: "Element | str", **attributes: str | float) -> Element:
    """An element. `cls` is written `class`, `_` in a name `-`; numbers to a tenth of a pixel; text is text.

    Attributes are our own words and figures; what comes from outside is a child.
    """
    made = Element(name, {_key(key): _value(value) for key, value in attributes.items()})
    for child in children:
        if isinstance(child, str):
            made.text = logs.clean_text(child, MOST_TEXT)
        else:
            made.append(child)
    return made


def picture(width: float, height: float, cls: str, palette: Mapping[str, tuple[str, str]], *children: Element) -> str:
    """A whole file. `palette`: a class to its colours, light and dark, which fill; `s-` before it: which stroke."""
    root = tag(
        "svg",
        *children[:2],  # title and description come first, or nobody reads them out
        _style(cls, palette),
        *children[2:],
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        cls=cls,
        role="img",
    )
    indent(root, " ")
    return tostring(root, encoding="unicode") + "\n"


def _style(cls: str, palette: Mapping[str, tuple[str, str]]) -> Element:
    light, dark = ("".join(_rules(cls, name, pair[place]) for name, pair in palette.items()) for place in (0, 1))
    font = f".{cls} text {{ font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif }}\n"
    made = Element("style")
    made.text = f"\n{font}{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"
    return made


def _rules(cls: str, name: str, colour: str) -> str:
    return f".{cls} .{name} {{ fill: {colour} }} .{cls} .s-{name} {{ stroke: {colour}; fill: none }}\n"


def _key(key: str) -> str:
    return "class" if key == "cls" else key.replace("_", "-")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 1):g}"
