"""faithcam: do the metrics of explainable AI reward a faithful explanation?"""

__version__ = "0.1.0"
