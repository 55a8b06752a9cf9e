"""Logits while regions of images are replaced one after another, computing only what changes.

Replacing a region changes a window of each layer's output, larger from layer to layer, until it is
the whole map. Outputs before that are kept, and only their windows are computed anew, each from its
window of the input with the halo that the kernel reads. This is exact, not an approximation: what
lies outside a window cannot change. From there on the layers run as always.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from faithcam.core import seeding
from faithcam.models.inference import InferenceNet, module_of, same_logits

# Windows of a larger share of their map save nothing: measured on ResNet18, ResNet34 and the small
# networks, where every limit from 0.4 to 0.85 is within 4 % of the best.
LARGEST_WINDOW = 0.7
OUTSIDE = 2**40

POINTWISE_MODULES = (
    nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish,
    nn.Identity, nn.LeakyReLU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Tanh,
)  # fmt: skip
POINTWISE_FUNCTIONS = (
    F.elu, F.gelu, F.hardsigmoid, F.hardswish, F.leaky_relu, F.relu, F.relu6, F.silu,
    torch.relu, torch.sigmoid, torch.tanh,
)  # fmt: skip

Places = tuple[np.ndarray, np.ndarray]  # rows (region rows, h) and columns (region columns, w)


class Geometry(NamedTuple):
    """How a convolution or pooling moves along one axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int


@dataclass(frozen=True)
class Span:
    """The part of one axis of a map that each region can change.

    Args:
        low: first row (or column) that can change, (regions along the axis,) int64.
        high: the one after the last, likewise.
        extent: rows (or columns) of the map.
    """

    low: np.ndarray
    high: np.ndarray
    extent: int

    @property
    def size(self) -> int:
        """Rows of a window, the same for all regions."""
        return max(1, int((self.high - self.low).max()))

    @property
    def start(self) -> np.ndarray:
        """First row of each region's window, (regions,); all windows lie within the map."""
        start: np.ndarray = np.clip(self.low, 0, self.extent - self.size)
        return start

    @property
    def window(self) -> np.ndarray:
        """All rows of each region's window, (regions, size)."""
        rows: np.ndarray = self.start[:, None] + np.arange(self.size)
        return rows

    def after(self, layer: Geometry, extent: int) -> "Span":
        """Return what can change in the output, of ``extent`` rows, of a layer."""
        reach = (layer.kernel - 1) * layer.dilation
        low = -((self.low + layer.padding - reach) // -layer.stride)
        high = np.clip((self.high - 1 + layer.padding) // layer.stride + 1, 0, extent)
        return Span(np.clip(low, 0, high), high, extent)

    def read_by(self, layer: Geometry) -> np.ndarray:
        """Return the rows of a layer's input that this window of its output is computed from."""
        count = (self.size - 1) * layer.stride + (layer.kernel - 1) * layer.dilation + 1
        first = self.start * layer.stride - layer.padding
        rows: np.ndarray = first[:, None] + np.arange(count)
        return rows

    def union(self, other: "Span") -> "Span":
        """Return what can change in a map made of two of the same size."""
        return Span(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.extent)


Spans = tuple[Span, Span]


def _pixels(index: Tensor) -> Span:
    """Return each region's pixels along an axis; ``index`` is the region of each pixel."""
    regions = np.arange(int(index.max()) + 1)
    low, high = (np.searchsorted(index.cpu().numpy(), regions, s) for s in ("left", "right"))
    return Span(low, high, len(index))


@dataclass(frozen=True)
class Cells:
    """Where the cells of each region's window lie in a map that is stored cell by cell.

    Args:
        rows: row times width of the map, ``OUTSIDE`` beyond the border, (region rows, h) int64.
        columns: column, or ``OUTSIDE``, (region columns, w) int64.
        reach_out: whether any cell lies beyond the border.
    """

    rows: Tensor
    columns: Tensor
    reach_out: bool

    @classmethod
    def of(cls, places: Places, size: Sequence[int], device: torch.device) -> "Cells":
        """Return the cells at some rows and columns of a map of size (H, W)."""
        outside = [(i < 0) | (i >= n) for i, n in zip(places, size, strict=True)]
        return cls(
            torch.from_numpy(np.where(outside[0], OUTSIDE, places[0] * size[1])).to(device),
            torch.from_numpy(np.where(outside[1], OUTSIDE, places[1])).to(device),
            any(bool(part.any()) for part in outside),
        )


class Map:
    """A layer's output for some images, stored cell by cell."""

    def __init__(self, values: Tensor) -> None:
        self._count, channels, self._height, self._width = values.shape
        cells = values.permute(0, 2, 3, 1).reshape(-1, channels)
        # the last two rows are what lies beyond the border: zeros, and -inf for maximum pooling
        beyond = cells.new_tensor([[0.0], [-torch.inf]]).expand(-1, channels)
        self.cells = torch.cat([cells, beyond])
        first = torch.arange(0, len(cells), self._height * self._width, device=values.device)
        self._first = first[:, None, None]

    def whole(self) -> Tensor:
        """Return (N, C, H, W), channels last, in the map's memory."""
        shape = (self._count, self._height, self._width, self.cells.shape[1])
        return self.cells[:-2].view(shape).permute(0, 3, 1, 2)

    def _places(self, window: Cells, row: Tensor, column: Tensor, beyond: int) -> Tensor:
        columns = window.columns.index_select(0, column)[:, None, :] + self._first
        places = window.rows.index_select(0, row)[:, :, None] + columns
        return places.clamp_(max=len(self.cells) + beyond) if window.reach_out else places

    def read(self, window: Cells, row: Tensor, column: Tensor, fill: float = 0) -> Tensor:
        """Return each image's window, (N, C, h, w), channels last.

        Args:
            window: cells of all regions' windows.
            row: row in the grid of each image's region, (N,).
            column: its column, (N,).
            fill: what lies beyond the border, 0 or -inf.
        """
        places = self._places(window, row, column, -2 if fill == 0 else -1)
        cells = self.cells.index_select(0, places.flatten())
        return cells.view(*places.shape, -1).permute(0, 3, 1, 2)

    def write(self, window: Cells, row: Tensor, column: Tensor, values: Tensor) -> None:
        """Replace each image's window by values, (N, C, h, w)."""
        places = self._places(window, row, column, 0).flatten()
        self.cells.index_copy_(0, places, values.permute(0, 2, 3, 1).reshape(len(places), -1))


@dataclass(frozen=True)
class Operation:
    """How a layer makes its output from its inputs.

    Args:
        inputs: the layers before it.
        apply: inputs without padding -> output.
        spans: what can change in the output.
        reads: rows and columns of the inputs that the window of the output needs.
        fill: what lies beyond the inputs' border.
    """

    inputs: list[fx.Node]
    apply: Callable[..., Tensor]
    spans: Spans
    reads: Places
    fill: float = 0


@dataclass(frozen=True)
class Source:
    """What a step reads: cells of a kept map, or (no cells) the window that was just computed."""

    node: fx.Node
    cells: Cells | None


@dataclass(frozen=True)
class Step:
    """A layer that is computed in windows."""

    node: fx.Node
    operation: Operation
    sources: list[Source]
    window: Cells


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _spatial(
    module: nn.Module | None, node: fx.Node, spans: Spans, size: Sequence[int]
) -> Operation | None:
    """Return a convolution or pooling as an operation, None if it is of an unknown kind."""
    dilation, fill = (1, 1), 0.0
    apply: Callable[[Tensor], Tensor]
    if type(module) is nn.Conv2d:
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            return None
        dilation = _pair(module.dilation)
        apply = partial(
            F.conv2d,
            weight=module.weight,
            bias=module.bias,
            stride=module.stride,
            dilation=dilation,
            groups=module.groups,
        )
    elif type(module) is nn.MaxPool2d:
        if module.return_indices:
            return None
        dilation, fill = _pair(module.dilation), -torch.inf
        apply = partial(
            F.max_pool2d,
            kernel_size=module.kernel_size,
            stride=module.stride,
            dilation=dilation,
        )
    elif type(module) is nn.AvgPool2d:
        counts_padding = module.count_include_pad or _pair(module.padding) == (0, 0)
        if module.ceil_mode or module.divisor_override or not counts_padding:
            return None
        apply = partial(F.avg_pool2d, kernel_size=module.kernel_size, stride=module.stride)
    else:
        return None
    axes = (_pair(v) for v in (module.kernel_size, module.stride, module.padding, dilation))
    vertical, horizontal = (Geometry(*numbers) for numbers in zip(*axes, strict=True))
    height, width = spans[0].after(vertical, size[0]), spans[1].after(horizontal, size[1])
    reads = height.read_by(vertical), width.read_by(horizontal)
    return Operation([node], apply, (height, width), reads, fill)


def _merged(node: fx.Node) -> tuple[list[fx.Node], Callable[..., Tensor]] | None:
    """Return what a sum or a concatenation of channels merges, and how; None for other nodes."""
    if node.target in (operator.add, torch.add) and not node.kwargs:
        parts = [part for part in node.args if isinstance(part, fx.Node)]
        return (parts, torch.add) if len(parts) == 2 else None
    if node.target in (torch.cat, torch.concat) and node.args:
        tensors, dim = node.args[0], node.kwargs.get("dim", (*node.args[1:], 0)[0])
        if isinstance(tensors, list | tuple) and dim in (1, -3) and "axis" not in node.kwargs:
            return list(tensors), lambda *windows: torch.cat(windows, 1)
    return None


def _pointwise(graph: fx.GraphModule, node: fx.Node) -> Callable[[Tensor], Tensor] | None:
    """Return a layer that treats every number of its one input alone; None for other nodes."""
    module = module_of(graph, node)
    if type(module) in POINTWISE_MODULES:
        batch_statistics = isinstance(module, nn.BatchNorm2d) and module.running_mean is None
        return None if batch_statistics else module
    if node.op == "call_method" and node.target == "contiguous":
        return Tensor.contiguous
    if node.op == "call_function" and node.target in POINTWISE_FUNCTIONS and node.args:
        function, more, named = node.target, node.args[1:], node.kwargs
        return lambda window: function(window, *more, **named)
    return None


class _Shown(fx.Interpreter):
    """Runs a graph and shows every layer's output to a function."""

    def __init__(self, graph: fx.GraphModule, show: Callable[[fx.Node, Any], None]) -> None:
        super().__init__(graph)
        self._show = show

    def run_node(self, n: fx.Node) -> Any:
        """Run one layer."""
        value = super().run_node(n)
        self._show(n, value)
        return value


class Incremental:
    """A network prepared for the removal of regions of one grid from images of one size.

    Args:
        model: the network.
        images: (N, C, H, W); only their shape and device matter.
        rows: region row of each pixel row, (H,); see :func:`faithcam.removal.engine.grid`.
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
                self._windows[node] = (_pixels(rows), _pixels(columns))
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
        found = self.logits(image, [order], [replacement])[0, 0, :, -1]
        tolerance = 1e-4 if self._model.dtype == torch.float32 else 0.1
        with torch.no_grad():
            return same_logits(self._model(whole), found, tolerance)

    @torch.no_grad()
    def _run_whole(self, images: Tensor, show: Callable[[fx.Node, Any], None]) -> Tensor:
        """Run the network over whole images, showing each layer's output; return the logits."""
        activations = _Shown(self._graph, show).run(images.to(self._model.dtype))
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
        if merged := _merged(node):
            inputs, apply = merged
            if any(self._shapes[n][2:] != self._shapes[node][2:] for n in inputs):
                return None
            for other in inputs[1:]:
                height, width = self._windows[other]
                spans = (spans[0].union(height), spans[1].union(width))
        elif len(inputs) > 1:
            return None
        elif pointwise := _pointwise(self._graph, node):
            apply = pointwise
        else:
            size = self._shapes[node][2:]
            return _spatial(module_of(self._graph, node), inputs[0], spans, size)
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
