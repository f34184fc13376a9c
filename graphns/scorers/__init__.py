"""Scores of pairs from their vectors."""
