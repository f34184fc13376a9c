"""Compiled and vectorised hot loops: each twice, in torch (the definition, any device) and in Numba (CPU)."""
