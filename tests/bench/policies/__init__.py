"""Policies for memory benchmarks: many different ones of the size that users have."""
