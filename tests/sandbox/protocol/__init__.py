"""Tests of edged/sandbox/protocol."""
