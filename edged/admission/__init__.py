"""Admission: what a review asks, what a policy answers, what the API server is told."""
