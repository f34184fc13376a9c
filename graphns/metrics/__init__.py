"""Probes and measures of negatives."""
