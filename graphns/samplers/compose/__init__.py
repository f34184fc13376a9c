"""Samplers around samplers: mixtures, filters, schedules, and every candidate."""
