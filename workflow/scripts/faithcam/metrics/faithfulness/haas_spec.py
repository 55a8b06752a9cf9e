"""HAAS: does the network classify better when the map amplifies the image?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes, Role
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: the label's maps, then the strict protocol's.

    The primary strict one asks whether the answer to the assisted image is right. Judged is the one
    that asks whether the prediction is kept: whether wrong predictions are right says nothing of a
    map.

    Of controls the strict protocol scores the map of the predicted class alone, unless all
    evaluations are judged; nulls stand beside it. Independent labels have one class and one score
    that is explained.
    """
    if "thesis" in config["protocols"]:
        setting = Setting.of(explained_class="label")
        passes = _passes(network.everything, "thesis")
        yield Evaluation("haas", "thesis", setting, network.everything, "primary", passes=passes)
    if "strict" in config["protocols"]:
        nulls = ["null_blank", "null_constant"]
        nulls += ["null_shuffled"] * ("hirescam" in network.everything)
        predicted, label = (Setting.of(explained_class=name) for name in ("predicted", "label"))
        yield from _strict(network, predicted, (*network.everything, *nulls))
        if not network.multi_label:
            yield from _strict(network, label, network.judged_methods(config))
            yield from _strict(network, predicted.replace(explained_score="logit"), network.methods)


def _strict(
    network: NetworkSpec, setting: Setting, methods: tuple[str, ...]
) -> Iterator[Evaluation]:
    passes = _passes(methods, str(setting))
    first = setting == Setting.of(explained_class="predicted")
    role: Role = "primary" if first else "variant"
    right = Evaluation("haas", "strict", setting, methods, role, passes=passes, judged=False)
    yield right
    yield replace(right, setting=setting.replace(outcome="kept"), role="variant", judged=first)


def _passes(methods: Sequence[str], of: str) -> tuple[Passes, ...]:
    # with GAP some maps are one up to a factor, but not to the last bit when they are scaled
    return tuple(Passes((of, method), 1) for method in methods)


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the number that the constant null map is."""
    return {"constant": config["haas"]["strict"]["constant"]}


METRIC = Metric(
    "HAAS",
    larger_is_better=True,
    source="10.1109/ACCESS.2022.3184453",
    range=(0, 1),
    evaluations=evaluations,
    options=options,
    all_images=True,
    volumes=True,
    multi_label=True,
    binary=True,
    published=True,
)
