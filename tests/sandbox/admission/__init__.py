"""Tests of edged/sandbox/admission."""
