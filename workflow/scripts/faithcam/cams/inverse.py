"""Control: a map that is wrong on purpose."""

from torch import Tensor


def inverse(hirescam: Tensor) -> Tensor:
    """Return -hirescam, which ranks the cells the other way round: (N, h, w)."""
    return -hirescam
