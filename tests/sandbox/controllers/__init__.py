"""Tests of edged/sandbox/controllers."""
