"""Tests against the real Kubernetes programs, and what builds and starts those."""
