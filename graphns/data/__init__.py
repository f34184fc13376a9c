"""Named data sets from local files, and built-in real data that needs no download."""

from graphns.data.link_loading import link_names, load_links
from graphns.data.loading import load, names, spelled
from graphns.data.vectors import load_vectors, vector_names

__all__ = ["link_names", "load", "load_links", "load_vectors", "names", "spelled", "vector_names"]
