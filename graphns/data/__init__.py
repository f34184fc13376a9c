"""Named data sets from local files, and built-in real data that needs no download."""

from graphns.data.loading import load, names, spelled

__all__ = ["load", "names", "spelled"]
