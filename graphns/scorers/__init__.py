"""Scores of pairs from their vectors, and of triples from entities and relations."""
