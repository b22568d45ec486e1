"""What the built-in kinds are: their types, names, defaults, as tables and data. Pure."""
