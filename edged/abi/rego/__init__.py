"""Rego's builtins that OPA leaves to its host. Pure."""
