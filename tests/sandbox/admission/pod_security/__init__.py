"""Tests of edged/sandbox/admission/pod_security."""
