"""Logits while regions of images are replaced one after another, computing only what changes.

Replacing a region changes a window of each layer's output, larger from layer to layer, until it is
the whole map. Outputs before that are kept, and only their windows are computed anew, each from its
window of the input with the halo that the kernel reads. This is exact, not an approximation: what
lies outside a window cannot change. From there on the layers run as always.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from faithcam.core import seeding
from faithcam.models.inference import InferenceNet, module_of, same_logits
from faithcam.removal.operations import Operation, merged, pointwise, spatial
from faithcam.removal.windows import Cells, Map, Places, Spans, pixels_of

# Windows of a larger share of their map save nothing: measured on ResNet18, ResNet34 and the small
# networks, where every limit from 0.4 to 0.85 is within 4 % of the best.
LARGEST_WINDOW = 0.7


@dataclass(frozen=True)
class Source:
    """The input of a step: cells of a kept map, or (no cells) the window that was just computed."""

    node: fx.Node
    cells: Cells | None


@dataclass(frozen=True)
class Step:
    """A layer that is computed in windows."""

    node: fx.Node
    operation: Operation
    sources: list[Source]
    window: Cells


class _Observed(fx.Interpreter):
    """Runs a graph and hands every layer's output to a function."""

    def __init__(self, graph: fx.GraphModule, observe: Callable[[fx.Node, Any], None]) -> None:
        super().__init__(graph)
        self._observe = observe

    def run_node(self, n: fx.Node) -> Any:
        """Run one layer."""
        value = super().run_node(n)
        self._observe(n, value)
        return value


class Incremental:
    """A network prepared for the removal of regions of one grid from images of one size.

    Args:
        model: the network.
        images: (N, C, H, W); only their shape and device matter.
        rows: region row of each pixel row, (H,); see :func:`faithcam.removal.grid.grid`.
        columns: region column of each pixel column, (W,).

    Attributes:
        work: multiplications in the convolutions of one image's forward pass.
        saved: how many of them a step saves.
        layers: how many layers are computed in windows.
        bytes_per_image: memory for one image's kept maps, as they were and as they are.
        exact: whether a step's logits are those of a whole pass; false only for features with
            layers that are not what they seem.
    """

    def __init__(self, model: InferenceNet, images: Tensor, rows: Tensor, columns: Tensor) -> None:
        self._model = model
        self._graph = model.features
        self._device = images.device
        self._columns = int(columns.max()) + 1
        self._shapes: dict[fx.Node, torch.Size] = {}
        self._windows: dict[fx.Node, Spans] = {}
        self._kept: dict[fx.Node, None] = {}
        self._steps: list[Step] = []
        self.work = self.saved = 0
        self._run_whole(images[:1], self._note_shape)
        for node in self._graph.graph.nodes:
            if node.op == "placeholder":
                self._image = node
                self._windows[node] = (pixels_of(rows), pixels_of(columns))
                self._kept[node] = None
            else:
                self._add_step(node)
        self._last_layers = self._remaining()
        spans = self._windows[self._image]
        self._region = self._cells((spans[0].window, spans[1].window), self._image)
        self._inside = [
            torch.from_numpy(
                (span.window >= span.low[:, None]) & (span.window < span.high[:, None])
            ).to(self._device)
            for span in spans
        ]
        self.layers = len(self._steps)
        numbers = sum(self._shapes[node][1:].numel() for node in self._kept)
        self.bytes_per_image = 2 * numbers * model.dtype.itemsize
        self.exact = self._is_exact(images.shape[1:], spans)

    def _is_exact(self, shape: Sequence[int], spans: Spans) -> bool:
        """Compare the removal of the first and the last region of an image with a whole pass."""
        random = seeding.generator("a random image")
        image, replacement = (
            torch.from_numpy(random.random((1, *shape), np.float32) * 2 - 1).to(self._device)
            for _ in range(2)
        )
        regions = len(spans[0].low) * self._columns
        order = torch.tensor([[0, regions - 1]], device=self._device)
        whole = image.clone()
        for axis in (0, -1):
            rows, columns = (slice(int(s.low[axis]), int(s.high[axis])) for s in spans)
            whole[:, :, rows, columns] = replacement[:, :, rows, columns]
        logits = self.logits(image, [order], [replacement])[0, 0, :, -1]
        tolerance = 1e-4 if self._model.dtype == torch.float32 else 0.1
        with torch.no_grad():
            return same_logits(self._model(whole), logits, tolerance)

    @torch.no_grad()
    def _run_whole(self, images: Tensor, observe: Callable[[fx.Node, Any], None]) -> Tensor:
        """Run the network over whole images, handing on each layer's output; return the logits."""
        activations = _Observed(self._graph, observe).run(images.to(self._model.dtype))
        logits: Tensor = self._model.logits(activations.float())
        return logits

    def _note_shape(self, node: fx.Node, value: Any) -> None:
        if isinstance(value, Tensor) and value.ndim == 4:
            self._shapes[node] = value.shape

    def _cells(self, places: Places, node: fx.Node) -> Cells:
        return Cells.of(places, self._shapes[node][2:], self._device)

    def _operation(self, node: fx.Node) -> Operation | None:
        """Return how a layer is computed in windows, None if it cannot be."""
        inputs = node.all_input_nodes
        if not inputs or node not in self._shapes or any(n not in self._windows for n in inputs):
            return None
        spans = self._windows[inputs[0]]
        if inputs_merged := merged(node):
            inputs, apply = inputs_merged
            if any(self._shapes[n][2:] != self._shapes[node][2:] for n in inputs):
                return None
            for other in inputs[1:]:
                height, width = self._windows[other]
                spans = (spans[0].union(height), spans[1].union(width))
        elif len(inputs) > 1:
            return None
        elif function := pointwise(self._graph, node):
            apply = function
        else:
            size = self._shapes[node][2:]
            return spatial(module_of(self._graph, node), inputs[0], spans, size)
        return Operation(inputs, apply, spans, (spans[0].window, spans[1].window))

    def _add_step(self, node: fx.Node) -> None:
        """Add a layer, if it can be computed in windows and if these are small enough."""
        module = module_of(self._graph, node)
        cells = self._shapes[node][2:].numel() if node in self._shapes else 0
        work = module.weight.numel() if isinstance(module, nn.Conv2d) else 0
        self.work += work * cells
        operation = self._operation(node)
        if operation is None:
            return
        window = operation.spans[0].window, operation.spans[1].window
        share = window[0].shape[1] * window[1].shape[1] / cells
        if share > LARGEST_WINDOW:
            return
        self.saved += round(work * cells * (1 - share))
        self._windows[node] = operation.spans
        sources = []
        for source in operation.inputs:
            just_computed = (span.window for span in self._windows[source])
            if all(map(np.array_equal, just_computed, operation.reads)):
                sources.append(Source(source, None))
            else:
                sources.append(Source(source, self._cells(operation.reads, source)))
                self._kept[source] = None
        self._steps.append(Step(node, operation, sources, self._cells(window, node)))

    def _remaining(self) -> fx.GraphModule:
        """Return the layers that are computed whole, as a function of maps that are kept."""
        graph = fx.Graph()
        whole: dict[fx.Node, fx.Node] = {}
        nodes = [n for n in self._graph.graph.nodes if n not in self._windows]
        self._handed_on = list(
            dict.fromkeys(i for n in nodes for i in n.all_input_nodes if i in self._windows)
        )
        for node in self._handed_on:
            whole[node] = graph.placeholder(node.name)
            self._kept[node] = None
        for node in nodes:
            whole[node] = graph.node_copy(node, whole.__getitem__)
        return fx.GraphModule(self._graph, graph)

    @torch.no_grad()
    def logits(
        self, images: Tensor, orders: Sequence[Tensor], replacements: Sequence[Tensor]
    ) -> Tensor:
        """Return the logits of every order under every replacement.

        Args:
            images: (N, C, H, W).
            orders: regions, first removed first, each (N, L).
            replacements: pixels to put in place of removed ones, each (N, C, H, W).

        Returns:
            (orders, replacements, N, L + 1, classes) float32, the first of each unperturbed.
        """
        unperturbed: dict[fx.Node, Map] = {}

        def keep(node: fx.Node, value: Any) -> None:
            if node in self._kept:
                unperturbed[node] = Map(value)

        first = self._run_whole(images, keep)
        current = {node: Map(layer.whole()) for node, layer in unperturbed.items()}
        results = []
        for order in orders:
            for replacement in replacements:
                for node, layer in unperturbed.items():
                    current[node].cells.copy_(layer.cells)
                pixels = Map(replacement.to(self._model.dtype))
                steps = [self._remove(current, pixels, regions) for regions in order.T]
                results.append(torch.stack([first, *steps], 1))
        return torch.stack(results).view(len(orders), len(replacements), *results[0].shape)

    def _remove(self, current: dict[fx.Node, Map], pixels: Map, regions: Tensor) -> Tensor:
        """Remove one region of each image, (N,), and return the logits."""
        row, column = regions // self._columns, regions % self._columns
        inside = (self._inside[0][row][:, :, None] & self._inside[1][column][:, None])[:, None]
        new = pixels.read(self._region, row, column)
        old = current[self._image].read(self._region, row, column)
        windows = {self._image: torch.where(inside, new, old)}
        current[self._image].write(self._region, row, column, windows[self._image])
        for step in self._steps:
            inputs = [
                windows[source.node]
                if source.cells is None
                else current[source.node].read(source.cells, row, column, step.operation.fill)
                for source in step.sources
            ]
            windows[step.node] = step.operation.apply(*inputs)
            if step.node in self._kept:
                current[step.node].write(step.window, row, column, windows[step.node])
        activations = self._last_layers(*(current[node].whole() for node in self._handed_on))
        return self._model.logits(activations.float())
