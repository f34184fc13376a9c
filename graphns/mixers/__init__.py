"""Synthetic negatives from embeddings."""
