"""Probes, measures of negatives, and ranks of facts."""
