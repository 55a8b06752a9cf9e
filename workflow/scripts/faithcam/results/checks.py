"""The table of what came out of the laws that every trained model must obey."""

from collections.abc import Sequence

import pyarrow as pa

from faithcam.core.identity import Identity
from faithcam.results import io as tables
from faithcam.results.laws import Check, demand
from faithcam.results.tables import CHECKS


class Outcomes:
    """The worst error of each law over the batches of a shard."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._worst: dict[str, tuple[int, float, str]] = {}

    def add(self, checks: list[Check], image_ids: Sequence[int]) -> None:
        """Add the outcomes of some images.

        Raises:
            FaithcamError: if a law is broken, naming model, image and size of the error.
        """
        identity = self._identity
        for check in checks:
            demand(check, f"{identity.dataset}/{identity.model}", image_ids)
            errors, _ = check.of(image_ids)
            if not len(errors):
                continue
            images, worst, _ = self._worst.get(check.name, (0, 0.0, ""))
            highest = max([worst, *errors.tolist()])
            self._worst[check.name] = (images + len(errors), highest, check.tolerance)

    def table(self) -> pa.Table:
        """Return one row per law (``CHECKS``)."""
        names = sorted(self._worst)
        return pa.table(
            {
                **{name: [getattr(self._identity, name)] * len(names) for name in tables.IDENTITY},
                "check": names,
                "images": [self._worst[name][0] for name in names],
                "worst": [self._worst[name][1] for name in names],
                "tolerance": [self._worst[name][2] for name in names],
                "passed": [self._worst[name][1] <= 1 for name in names],
            },
            schema=CHECKS,
        )
