"""Tests of edged/sandbox/authorization."""
