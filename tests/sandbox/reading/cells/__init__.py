"""Cells of tables, by subject."""
