"""Tests of edged/sandbox/admission/quota."""
