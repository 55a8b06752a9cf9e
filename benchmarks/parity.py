"""How far our maps and metrics are from those of other packages (``make parity``).

Every comparison of ``tests/helpers/peer_*.py`` is made, and the tables of ``docs/parity.md`` are
written anew. Needs ``requirements-peers.txt``.
"""

import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests" / "helpers")]

import peer_maps
import peer_metrics
import peers
import torch

PAGE = ROOT / "docs" / "parity.md"
PACKAGES = {peers.GRADCAM: "grad-cam", peers.CAPTUM: "captum", peers.QUANTUS: "quantus"}
PARTS = {"maps": peer_maps.MAPS, "metrics": peer_metrics.METRICS}
HEADER = "| name | compared with | what | largest deviation | tolerance |\n|---|---|---|---|---|\n"


def rows(part: list[peers.Comparison], deviation: Callable[[peers.Comparison], float]) -> str:
    """Return the table of some comparisons.

    Args:
        part: of them.
        deviation: returns the number to be shown.
    """
    lines = []
    for comparison in part:
        relative = ", relative" if comparison.relative else ""
        cells = (
            f"`{comparison.name}`",
            f"{comparison.peer}: {comparison.theirs}",
            comparison.what or "as it is",
            f"{deviation(comparison):.1e}",
            f"{comparison.tolerance:g}{relative}",
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    return HEADER + "".join(lines)


def uncompared() -> str:
    """Return the table of what is not compared."""
    lines = [f"| `{name}` | {why} |\n" for name, why in peers.UNCOMPARED.items()]
    return "| name | why |\n|---|---|\n" + "".join(lines)


def filled(text: str, deviation: Callable[[peers.Comparison], float]) -> str:
    """Return the page with its tables written anew.

    Args:
        text: of the page; each table stands below a comment with its name.
        deviation: returns the number of a comparison.
    """
    tables = {name: rows(part, deviation) for name, part in PARTS.items()}
    for name, table in (tables | {"uncompared": uncompared()}).items():
        pattern = rf"(<!-- {name}: make parity -->\n\n).*?(?=\n\n|\Z)"
        text, count = re.subn(
            pattern, lambda m, table=table: m[1] + table.rstrip("\n"), text, flags=re.S
        )
        if count != 1:
            raise ValueError(f"{PAGE}: {count} places for the table {name} found, expected one")
    return text.rstrip("\n") + "\n"


def main() -> int:
    """Compare, print and write."""
    absent = [m for m in peers.MODULES.values() if importlib.util.find_spec(m) is None]
    if absent:
        print(f"error: {', '.join(absent)} not found; install requirements-peers.txt")
        return 1
    torch.set_num_threads(1)

    def deviation(comparison: peers.Comparison) -> float:
        size = comparison.deviation()
        print(f"{comparison.name}, {comparison.peer} {comparison.theirs}: {size:.1e}", flush=True)
        return size

    text = filled(PAGE.read_text(encoding="utf-8"), deviation)
    names = ", ".join(f"{name} {version(package)}" for name, package in PACKAGES.items())
    PAGE.write_text(re.sub(r"Versions: .*", f"Versions: {names}.", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
