"""Samplers by family: static, dynamic, adversarial, efficient, and compose for samplers around samplers."""
