"""Named data sets from local files, and built-in real data that needs no download."""

from graphns.data.link_loading import link_names, load_links
from graphns.data.loading import load, names, spelled

__all__ = ["link_names", "load", "load_links", "names", "spelled"]
