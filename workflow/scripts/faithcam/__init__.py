"""faithcam: do the metrics of explainable AI reward a faithful explanation?"""
