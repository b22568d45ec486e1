"""Policies at work: loading, evaluation, what guests may ask, decisions, metrics, traces."""
