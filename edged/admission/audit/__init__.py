"""Audits: which objects, the run, the reports."""
