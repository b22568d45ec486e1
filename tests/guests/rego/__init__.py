"""Rego policies of our own, and what compiles them: OPA itself, built from its Go module."""
