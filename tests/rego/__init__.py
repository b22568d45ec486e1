"""Tests of edged/rego."""
