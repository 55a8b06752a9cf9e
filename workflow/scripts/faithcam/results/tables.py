"""The table of laws that were checked."""

from faithcam.results.io import FLAG, NETWORK, REAL, TEXT, WHOLE, schema

CHECKS = schema(
    *NETWORK,
    ("check", TEXT, "name of the law"),
    ("images", WHOLE, "how many images were checked"),
    ("worst", REAL, "largest error, in units of its tolerance"),
    ("tolerance", TEXT, "the tolerance, as a formula"),
    ("passed", FLAG, "worst <= 1"),
)
