"""Print what there is: ``python -m faithcam``."""

import faithcam
from faithcam.models.registry import ARCHITECTURES


def _list(title: str, names: list[str]) -> None:
    print(f"\n{title}: {', '.join(names)}")


if __name__ == "__main__":
    print(f"faithcam {faithcam.__version__}: {(faithcam.__doc__ or '').splitlines()[0]}")
    _list("library", faithcam.__all__)
    _list("maps", list(faithcam.METHODS))
    _list("metrics", list(faithcam.METRICS))
    _list("networks of the workflow", list(ARCHITECTURES))
