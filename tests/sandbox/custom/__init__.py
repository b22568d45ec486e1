"""Tests of edged/sandbox/custom."""
