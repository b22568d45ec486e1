"""Tests of edged/sandbox/writing."""
