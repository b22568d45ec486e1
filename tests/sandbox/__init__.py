"""Tests of edged/sandbox: its pure parts, the API without a network (harness.py), and kubectl against a server."""
