"""Edits of a graph: augment keeps its meaning, corrupt destroys it."""
