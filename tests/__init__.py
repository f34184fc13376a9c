"""Tests of graphns; they mirror the package."""
