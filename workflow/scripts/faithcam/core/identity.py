"""The names of a trained model, as they stand in paths and tables."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Identity:
    """Names of a trained model."""

    dataset: str
    architecture: str
    head: str
    seed: int

    @property
    def model(self) -> str:
        """The model's name in paths, e.g. ``resnet_small-flatten/seed0``."""
        return f"{self.architecture}-{self.head}/seed{self.seed}"

    def __str__(self) -> str:
        return f"{self.dataset}/{self.model}"

    @classmethod
    def of(cls, wildcards: Any) -> "Identity":
        """Return the identity of wildcards ``dataset``, ``model`` and ``seed``."""
        architecture, head = wildcards.model.rsplit("-", 1)
        return cls(wildcards.dataset, architecture, head, int(wildcards.seed))
