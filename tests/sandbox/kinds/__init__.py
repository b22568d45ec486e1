"""Tests of edged/sandbox/kinds."""
