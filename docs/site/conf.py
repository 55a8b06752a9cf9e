"""The documentation site: `make docs` builds it into build/docs with Sphinx.

Config keys, columns, captions, errors and the API are filled in from the code while pages are read
(``content.py``), and the finished site is refused if it would load anything from the network.
"""

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

sys.path.insert(0, str(Path(__file__).parent))

import content

project = "faithcam"
author = "The faithcam authors"
html_title = "faithcam"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["site"]
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
smartquotes_action = "De"  # dashes and ellipses, no quotes
myst_heading_anchors = 3
autodoc_default_options = {"members": True, "undoc-members": False}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Source"]
toc_object_entries_show_parents = "hide"
pygments_style = "default"

# what a page loads by itself, not where its links lead
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc\s*=\s*["']?(?:https?:)?//
    | <link\b(?=[^>]*\srel\s*=\s*["']?(?:stylesheet|preload|preconnect|icon|modulepreload))
        [^>]*\shref\s*=\s*["']?(?:https?:)?//
    | @import\s+(?:url\()?["']?(?:https?:)?//
    | url\(\s*["']?(?:https?:)?//""",
    re.X | re.I,
)


def fill(app: Sphinx, page: str, text: list[str]) -> None:
    """Fill a page in."""
    try:
        text[0] = content.filled(text[0])
    except ValueError as error:
        raise ExtensionError(f"docs/{page}.md: {error}") from None


def plain(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let stars and bars stand for themselves, and lists need no gap, as in code that is read."""
    actual: list[str] = []
    for line in lines:
        before = actual[-1] if actual else ""
        bullet = re.match(r"( *)- ", line)
        if bullet and re.match(rf"{bullet[1]}[^ -]", before):
            actual.append("")
        parts = re.split(r"(``.*?``|`.*?`)", line)
        parts[::2] = [re.sub(r"([*|])", r"\\\1", part) for part in parts[::2]]
        actual.append("".join(parts))
    lines[:] = actual


def unsigned(
    app: Sphinx, kind: str, name: str, thing: Any, options: Any, arguments: str, result: str
) -> tuple[str, None] | None:
    """Show no arguments of a protocol, which nobody calls."""
    return ("", None) if getattr(thing, "_is_protocol", False) else None


def check(app: Sphinx, exception: Exception | None) -> None:
    """Refuse a site that loads anything from the network."""
    if exception is None and (actual := loaded_from_network(Path(app.outdir))):
        raise ExtensionError("the site would load from the network:\n  " + "\n  ".join(actual))


def loaded_from_network(site: Path) -> list[str]:
    """Return what the pages and styles of a site name as loaded from elsewhere."""
    return [
        f"{path.relative_to(site)}: {match[0]}"
        for path in sorted(site.rglob("*"))
        if path.suffix in (".html", ".css")
        for match in LOADED.finditer(path.read_text(encoding="utf-8"))
    ]


def setup(app: Sphinx) -> None:
    """Connect them."""
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", plain, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", unsigned)
    app.connect("build-finished", check)
