"""A figure that a notebook draws, whether pyplot was imported or not."""

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that knows its own PNG; without pyplot a notebook would show its name alone."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
