"""Benchmarks: scripts behind the figures that the documents claim."""
