"""Tests of the Python package, against an installed wheel. Nothing is awaited without a deadline."""
