"""Tests of edged/sandbox/reading."""
