"""Efficient samplers: negatives that are in memory already."""
