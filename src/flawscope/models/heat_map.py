"""From a trained classifier to a fully convolutional network that answers with a heat map.

Long et al. 2015, section 3.1 and figure 2: dense layers are convolutions whose kernel is the whole grid that
they look at. Reshaped so, a classifier takes pictures of any size from its training size up, and answers at
every place what it would say of the picture cut out there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from flawscope.errors import ConfigError
from flawscope.models.classifiers import LibraryClassifier

_TOLERANCE = 1e-4
_MEANS = (torch.mean, "mean")
_POOLS: dict[Any, type[nn.AvgPool2d] | type[nn.MaxPool2d]] = {
    nn.AdaptiveAvgPool2d: nn.AvgPool2d,
    nn.AdaptiveMaxPool2d: nn.MaxPool2d,
    functional.adaptive_avg_pool2d: nn.AvgPool2d,
    functional.adaptive_max_pool2d: nn.MaxPool2d,
}
"""Poolings to a fixed grid, and those with a window that take their place."""


class HeatMap(nn.Module):
    """A classifier that slides: N x C x H x W to scores N x K x h x w; h = w = 1 at the training size."""

    def __init__(self, network: nn.Module, window_hw: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        self.window_hw = window_hw
        """Height and width that the classifier was trained on, in px: what one score looks at."""

    def forward(self, image: Tensor) -> Tensor:
        """Scores of every place; the picture is at least as large as ``window_hw``."""
        scores: Tensor = self.network(image)
        return scores


def to_heat_map(classifier: nn.Module, size_hw: tuple[int, int], in_channels: int = 3) -> HeatMap:
    """Rebuilds a classifier as a fully convolutional network with the same weights.

    ``classifier`` answers N x K to N x ``in_channels`` x H x W and ends with dense layers, after a flattening
    or a pooling to a fixed grid (mean, adaptive mean or adaptive maximum). Pooling becomes a window of the
    size that it has at ``size_hw``, the training size; the first dense layer a convolution over its grid, the
    others 1 x 1. At ``size_hw`` the answer N x K x 1 x 1 equals the classifier's, which is checked. The
    classifier itself is not touched; the result is in evaluation mode.

    Raises ConfigError for a network of another build, for a training size at which it puts a rim around its
    pictures, and where the answers differ.
    """
    twin = copy.deepcopy(_without_rim(classifier, size_hw)).to("cpu", torch.float32).eval()
    try:
        graph = fx.GraphModule(twin, _Tracer().trace(twin))
        ShapeProp(graph).propagate(torch.zeros(1, in_channels, *size_hw))
    except Exception as error:  # tracing runs the network's own code
        raise ConfigError(f"the classifier cannot be rebuilt as a heat map: {error}") from error
    _Rebuild(graph).run()
    graph.graph.lint()
    graph.recompile()
    heat_map = HeatMap(graph, size_hw).eval()
    _check(classifier, heat_map, in_channels)
    return heat_map


def _without_rim(classifier: nn.Module, size_hw: tuple[int, int]) -> nn.Module:
    """The network in the adapter of libraries, which asks for sizes that a trace cannot know."""
    if not isinstance(classifier, LibraryClassifier):
        return classifier
    if min(size_hw) < classifier.least_px:
        raise ConfigError(
            f"at {size_hw[0]} x {size_hw[1]} px the classifier puts a rim around its pictures, which cannot "
            f"slide; expected a training size of {classifier.least_px} px or more each way."
        )
    return classifier.network


class _Tracer(fx.Tracer):
    """Sees dense layers whole, also those that other libraries derive from torch's."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Linear) or super().is_leaf_module(m, module_qualified_name)


class _Rebuild:
    """Walks back from the answer through the dense layers to the grid that they look at."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        self.modules = dict(graph.named_modules())

    def run(self) -> None:
        output = next(node for node in reversed(self.graph.graph.nodes) if node.op == "output")
        tail = self._tail(cast(fx.Node, output.args[0]))
        dense = [node for node in tail if isinstance(self._module(node), nn.Linear)]
        if not dense:
            raise ConfigError(
                "the classifier does not end with dense layers after a grid; expected flattening or pooling "
                "to a fixed grid, then linear layers."
            )
        grid_hw, spread = self._grid(tail)
        for node in tail:
            module = self._module(node)
            if isinstance(module, nn.Linear):
                first = node is dense[0]
                made: nn.Module = _as_conv(module, grid_hw if first else (1, 1), spread if first else (1, 1))
                self._replace(node, made)
            elif isinstance(module, nn.BatchNorm1d):
                self._replace(node, _as_norm(module))

    def _tail(self, node: fx.Node) -> list[fx.Node]:
        """Nodes between the grid N x C x h x w and the answer N x K, in the order in which they run."""
        tail: list[fx.Node] = []
        while _dims(node) == 2:
            if not node.all_input_nodes:
                raise ConfigError("the classifier's answer does not come from a grid of features.")
            tail.insert(0, node)
            node = node.all_input_nodes[0]
        return [node, *tail]

    def _grid(self, tail: list[fx.Node]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Takes flattening and pooling out; the grid before the dense layers, and the spread of its cells."""
        before, flat = tail[0], tail[1]
        source: fx.Node = before
        if flat.target in _MEANS:
            window = _size_hw(before)
            self._insert(flat, before, nn.AvgPool2d(window, stride=1))
            return (1, 1), (1, 1)
        grid_hw = _size_hw(before)
        # Some networks have pointwise layers between pooling and flattening.
        while self._pool(source) is None and _same_grid(source, grid_hw):
            source = source.all_input_nodes[0]
        pool = self._pool(source)
        flat.replace_all_uses_with(before)
        self.graph.graph.erase_node(flat)
        if pool is None:
            return grid_hw, (1, 1)
        from_hw = _size_hw(source.all_input_nodes[0])
        if any(have % want for have, want in zip(from_hw, grid_hw, strict=True)):
            raise ConfigError(
                f"the classifier pools a grid of {from_hw} to {grid_hw} cells of unequal size; expected a "
                "training size at which they are equal."
            )
        window = (from_hw[0] // grid_hw[0], from_hw[1] // grid_hw[1])
        self._insert(source, source.all_input_nodes[0], pool(window, stride=1))
        return grid_hw, window

    def _pool(self, node: fx.Node) -> Callable[..., nn.Module] | None:
        """The pooling with a window for a node that pools to a fixed grid; None for any other."""
        if node.target in _MEANS:
            return nn.AvgPool2d
        key = type(self._module(node)) if node.op == "call_module" else node.target
        return _POOLS.get(key)

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.modules.get(str(node.target)) if node.op == "call_module" else None

    def _insert(self, old: fx.Node, source: fx.Node, module: nn.Module) -> None:
        """Puts a new module on ``source`` in the place of ``old``."""
        name = f"heat_map_{old.name}"
        self.graph.add_submodule(name, module)
        with self.graph.graph.inserting_after(old):
            new = self.graph.graph.call_module(name, (source,))
        old.replace_all_uses_with(new)
        self.graph.graph.erase_node(old)

    def _replace(self, node: fx.Node, module: nn.Module) -> None:
        name = f"heat_map_{node.name}"
        self.graph.add_submodule(name, module)
        node.target = name


def _same_grid(node: fx.Node, grid_hw: tuple[int, int]) -> bool:
    """Whether a node takes one grid of this size and gives one."""
    inputs = node.all_input_nodes
    if node.op == "placeholder" or len(inputs) != 1 or _dims(inputs[0]) != 4:
        return False
    return _size_hw(node) == grid_hw


def _dims(node: fx.Node) -> int:
    return len(_shape(node))


def _shape(node: fx.Node) -> torch.Size:
    found = node.meta.get("tensor_meta")
    if found is None or not hasattr(found, "shape"):
        raise ConfigError("the classifier's last layers are not tensors from one to the next.")
    return torch.Size(found.shape)


def _size_hw(node: fx.Node) -> tuple[int, int]:
    shape = _shape(node)
    if len(shape) != 4:
        raise ConfigError(f"the classifier's dense layers look at {tuple(shape)}; expected N x C x h x w.")
    return shape[2], shape[3]


def _as_conv(dense: nn.Linear, grid_hw: tuple[int, int], spread: tuple[int, int]) -> nn.Conv2d:
    """The dense layer as a convolution over a grid whose cells lie ``spread`` apart."""
    channels, rest = divmod(dense.in_features, grid_hw[0] * grid_hw[1])
    if rest or not channels:
        raise ConfigError(
            f"the classifier's first dense layer takes {dense.in_features} numbers, which is no grid of "
            f"{grid_hw[0]} x {grid_hw[1]} cells; expected it right after flattening."
        )
    bias = dense.bias is not None
    conv = nn.Conv2d(channels, dense.out_features, grid_hw, dilation=spread, bias=bias)
    with torch.no_grad():
        conv.weight.copy_(dense.weight.reshape(conv.weight.shape))
        if bias:
            cast(Tensor, conv.bias).copy_(dense.bias)
    return conv


def _as_norm(norm: nn.BatchNorm1d) -> nn.BatchNorm2d:
    twin = nn.BatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    twin.load_state_dict(norm.state_dict())
    return twin


def _check(classifier: nn.Module, heat_map: HeatMap, in_channels: int) -> None:
    image = torch.randn(2, in_channels, *heat_map.window_hw, generator=torch.Generator().manual_seed(0))
    twin = copy.deepcopy(classifier).to("cpu", torch.float32).eval()
    with torch.no_grad():
        wanted, got = twin(image), heat_map(image)
    same = got.shape == (*wanted.shape, 1, 1)
    if not same or not torch.allclose(got[..., 0, 0], wanted, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise ConfigError(
            f"the heat map does not answer as the classifier does (shapes {tuple(got.shape)} and "
            f"{tuple(wanted.shape)}); expected a network that ends with a grid and dense layers."
        )
