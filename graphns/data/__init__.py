"""Named data sets from local files, and built-in real data that needs no download."""
