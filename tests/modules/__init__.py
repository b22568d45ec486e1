"""The sample modules, each by itself."""
