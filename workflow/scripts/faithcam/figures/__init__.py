"""Figures, one file each.

``draw`` of each gets the tables that it needs, named like their schemas, then which
:class:`~faithcam.figures.subject.Subject` to show, and the PNG file to write.
"""
