"""Names that statistics, figures and texts share; rows by their values, settings as columns."""

import pandas as pd

from faithcam.core.setting import Setting
from faithcam.results import io as tables

MODEL = [*tables.IDENTITY]
MAPS = ("hirescam", "gradcam", "cam")
PAIR = ("hirescam", "gradcam")
# effect_name of the rows that hold a paired difference itself, once per unit of inference
DIFFERENCES = ("Cohen dz", "rank-biserial", "discordant", "images that differ")


def where(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    """Return the rows whose columns have these values."""
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    return frame


def columns_of(settings: "pd.Series[str]") -> pd.DataFrame:
    """Return a column per name in some settings, with the same index; NaN where one is missing."""
    codes, texts = pd.factorize(settings)
    known = pd.DataFrame([dict(Setting.parse(str(text))) for text in texts])
    return known.take(codes).set_axis(settings.index)
