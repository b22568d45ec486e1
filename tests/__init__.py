"""Tests of edged: the folders mirror edged/, plus kube/ (against real Kubernetes programs)."""
