"""Tests of edged/sandbox/validation."""
