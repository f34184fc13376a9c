"""Adversarial samplers: the proposal has parameters and learns against the model."""
