"""A rule graph, written in Mermaid's language, as a picture."""

import re
from collections.abc import Iterator, Mapping


def rule_graph(mermaid: str) -> str:
    """Return a rule graph as a picture, each rule below all that it needs."""
    edges = set(re.findall(r"^ +(\w+) --> (\w+)$", mermaid, re.M))
    after: dict[str, set[str]] = {name: set() for edge in edges for name in edge}
    for a, b in edges:
        after[a].add(b)
    below = {name: set(_reachable(name, after)) for name in after}
    kept = {(a, b) for a, b in edges if not any(b in below[c] for c in after[a])}
    depth = dict.fromkeys(after, 0)
    for _ in after:
        for a, b in kept:
            depth[b] = max(depth[b], depth[a] + 1)
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in sorted(depth):
        rows[depth[name]].append(name)
    return _drawn(_untangled(rows, kept), kept)


def _reachable(name: str, after: Mapping[str, set[str]]) -> Iterator[str]:
    for following in after[name]:
        yield following
        yield from _reachable(following, after)


def _untangled(rows: list[list[str]], edges: set[tuple[str, str]]) -> dict[str, tuple[float, int]]:
    """Return (place, row) of each name: every row is ordered by its neighbours' mean place."""
    place: dict[str, float] = {}

    def spread(row: list[str]) -> None:
        place.update({name: i - (len(row) - 1) / 2 for i, name in enumerate(row)})

    for row in rows:
        spread(row)
    for turn in range(8):
        pairs = edges if turn % 2 == 0 else {(b, a) for a, b in edges}
        for row in rows:
            near = {n: [place[a] for a, b in pairs if b == n] or [place[n]] for n in row}
            row.sort(key=lambda n: (sum(near[n]) / len(near[n]), n))
            spread(row)
    return {name: (place[name], i) for i, row in enumerate(rows) for name in row}


def _drawn(where: Mapping[str, tuple[float, int]], edges: set[tuple[str, str]]) -> str:
    wide, high, width, height = 146, 84, 138, 30
    left = min(x for x, _ in where.values())
    points = {
        name: ((x - left) * wide + width / 2 + 4, row * high + height / 2 + 4)
        for name, (x, row) in where.items()
    }
    size = (
        max(x for x, _ in points.values()) + width / 2 + 4,
        max(y for _, y in points.values()) + height / 2 + 4,
    )
    lines = [
        f'<svg class="rules" viewBox="0 0 {size[0]:g} {size[1]:g}" width="{size[0]:g}" '
        'role="img" aria-label="Which rule needs which">'
    ]
    for a, b in sorted(edges):
        (x0, y0), (x1, y1) = points[a], points[b]
        y0, y1 = y0 + height / 2, y1 - height / 2
        middle = (y0 + y1) / 2
        lines.append(
            f'<path d="M{x0:g} {y0:g}C{x0:g} {middle:g} {x1:g} {middle:g} {x1:g} {y1:g}"/>'
        )
    for name, (x, y) in points.items():
        lines.append(
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width}" '
            f'height="{height}" rx="4"/><text x="{x:g}" y="{y + 4:g}">{name}</text>'
        )
    return (
        f'<div class="wide">{"".join(lines)}</svg></div>\n\n'
        "*A rule needs what stands above it at the other end of a line; lines that follow from "
        "others are left out.*"
    )
