"""AOPC: how fast the class score falls when regions are removed in the order of a map."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes, Role
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import counted, layers, strict_regions
from faithcam.metrics.spec import Metric
from faithcam.removal.imputers_spec import IMPUTERS, NEEDS, draws_of

OUTPUTS = ("probability", "logit")
RANDOM, PREDICTION = "random_order", "prediction"  # in place of a map's name


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: the published protocol's regions, then the strict protocol's.

    Controls are scored by MoRF alone, under the first region and imputer of a protocol, and by
    re-rendered images; where all evaluations are judged, in all orders and by all imputers of the
    strict protocol under the first region.
    """
    if "thesis" in config["protocols"]:
        yield from _thesis(config["aopc"]["thesis"]["regions"], network)
    if "strict" in config["protocols"]:
        strict = config["aopc"]["strict"]
        for region in strict_regions(network, strict["regions"]):
            yield from _diagnostics(region, strict, network)
            for imputer in imputers_of(strict["imputers"], network):
                yield from _strict(region, imputer, config, network)


def imputers_of(imputers: Sequence[str], network: NetworkSpec) -> list[str]:
    """Return the imputers that the data set allows: some cannot be ``rerendered``."""
    return [
        name for name in imputers if network.has_renderings or IMPUTERS[name].needs != "renderings"
    ]


def removal(
    network: NetworkSpec, methods: Sequence[str], region: int | str, *of: object, draws: int = 1
) -> tuple[Passes, ...]:
    """Return the states of an image that loses its regions in the order of each of some maps.

    Args:
        network: that is asked.
        methods: of the maps, or ``random_order``.
        region: px size or ``native``.
        of: what else tells curves apart, as the imputer.
        draws: of the replacement.
    """
    states = counted(network, region) * draws
    maps = {m if m == RANDOM else network.map_of(m) for m in methods}
    return tuple(Passes((*of, region, name), states) for name in sorted(maps))


def _thesis(regions: Sequence[int], network: NetworkSpec) -> Iterator[Evaluation]:
    for region in regions:
        setting = Setting.of(
            draws=1, imputer="noise", order="morf", output="probability", region=region
        )
        first = region == regions[0]
        methods = network.everything if first else network.methods
        role: Role = "primary" if first else "variant"
        passes = removal(network, methods, region, "thesis")
        yield Evaluation(
            "aopc", "thesis", setting, methods, role, passes=passes, curves=network.methods
        )


def _diagnostics(region: int | str, strict: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    tied = Setting.of(output="tied_share", region=region)
    yield Evaluation("aopc", "strict", tied, network.methods, "fact")
    if region == strict["regions"][0]:
        for imputer in imputers_of(strict["imputers"], network):
            draws = draws_of(imputer, strict["draws"])
            random = removal(network, (RANDOM,), region, imputer, "morf", draws=draws)
            for output, passes in (("imputed_probability", (CLEAN,)), ("r_oms", (CLEAN, *random))):
                setting = Setting.of(imputer=imputer, output=output)
                yield Evaluation("aopc", "strict", setting, (PREDICTION,), "fact", passes=passes)


def _strict(
    region: int | str, imputer: str, config: Config, network: NetworkSpec
) -> Iterator[Evaluation]:
    strict = config["aopc"]["strict"]
    first = region == strict["regions"][0]
    primary = first and imputer == strict["imputers"][0]
    with_controls = primary or (first and imputer == "rerendered")
    draws = draws_of(imputer, strict["draws"])
    base = Setting.of(draws=draws, imputer=imputer, region=region, replicate=0)
    judged = network.judged_methods(config) if first else network.methods
    scored = network.everything if with_controls else judged

    def curves(methods: Sequence[str], *of: object) -> tuple[Passes, ...]:
        return removal(network, methods, region, imputer, *of, draws=draws)

    for output in OUTPUTS:
        morf = Evaluation(
            "aopc",
            "strict",
            base.replace(order="morf", output=output),
            (*scored, RANDOM),
            "primary" if primary and output == OUTPUTS[0] else "variant",
            passes=curves((*scored, RANDOM), "morf"),
            curves=(*network.methods, RANDOM),
        )
        yield morf
        main = replace(morf, methods=(*judged, RANDOM), role="variant", curves=())
        for fraction in strict["fractions"]:
            yield replace(main, setting=morf.setting.replace(fraction=fraction))
        lerf = replace(
            main,
            setting=morf.setting.replace(order="lerf"),
            methods=judged,
            reversed=True,
            passes=curves(judged, "lerf"),
            curves=network.methods,
        )
        yield lerf
        yield replace(
            lerf,
            setting=morf.setting.replace(order="srg"),
            reversed=False,
            curves=(),
            passes=(*curves(judged, "morf"), *lerf.passes),
        )
        if (
            with_controls and not network.multi_label
        ):  # the maps of the logit y_c too: another explained score
            yield replace(
                main,
                setting=morf.setting.replace(explained_score="logit"),
                methods=network.methods,
                passes=curves(network.methods, "explained_score"),
            )
        if primary and IMPUTERS[imputer].drawn:
            yield replace(
                morf,
                setting=morf.setting.replace(replicate=1),
                methods=scored,
                role="replicate",
                replicate_of=morf.setting,
                passes=curves(scored, "morf", 1),
                curves=(),
            )


def bytes_of_curves(config: Config, network: NetworkSpec) -> float:
    """Return the bytes of an image's curves: four for each step."""
    total = 0
    for evaluation in evaluations(config, network):
        if evaluation.curves:
            region = evaluation.setting["region"]
            steps = counted(network, region) * layers(network, region) + 1
            total += 4 * steps * len(evaluation.curves)
    return total


METRIC = Metric(
    "AOPC",
    larger_is_better=True,
    source="arXiv 1509.06321",
    range=(-1, 1),
    evaluations=evaluations,
    uses=NEEDS,
    tables=("curves", "checks"),
    removes=True,
    further_bytes=bytes_of_curves,
    published=True,
    volumes=True,
    multi_label=True,
)
