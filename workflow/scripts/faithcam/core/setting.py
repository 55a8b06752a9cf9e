"""Settings: what fixes a number beside its metric, a frozen value with one text form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Setting(Mapping[str, str]):
    """Sorted names and their values as text; ``str`` joins them: ``imputer=noise;region=native``.

    Args:
        pairs: (name, value), sorted by name; made by :meth:`of` or :meth:`parse`.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, **values: object) -> Setting:
        """Return the setting with these values.

        Raises:
            ValueError: if a name or a value holds ``=`` or ``;``.
        """
        pairs = tuple(sorted((name, str(value)) for name, value in values.items()))
        for part in (text for pair in pairs for text in pair):
            if "=" in part or ";" in part:
                raise ValueError(f"setting: {part!r} found, expected neither = nor ; in it")
        return cls(pairs)

    @classmethod
    def parse(cls, text: str) -> Setting:
        """Return the setting that a text stands for, the inverse of ``str``.

        Raises:
            ValueError: if the text is no setting's.
        """
        pairs = [pair.split("=") for pair in text.split(";") if pair]
        if any(len(pair) != 2 for pair in pairs) or len({pair[0] for pair in pairs}) < len(pairs):
            raise ValueError(f"setting: {text!r} found, expected name=value joined by ;, each once")
        return cls.of(**dict(pairs))

    def replace(self, **values: object) -> Setting:
        """Return the setting with some values replaced or added."""
        return Setting.of(**{**self, **values})

    def __getitem__(self, name: str) -> str:
        return dict(self.pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __str__(self) -> str:
        return ";".join(f"{name}={value}" for name, value in self.pairs)
