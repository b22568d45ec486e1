"""Tests of edged/sandbox/faults."""
