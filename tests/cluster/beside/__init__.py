"""The sandbox beside the real kube-apiserver: the same steps against both, and what comes out compared.

    python -m tests.cluster.beside [STORY ...]      # all, or those whose names begin so; prints the differences

`steps.py` says what a step is, `stories/` has them by subject, `normal.py` takes out what differs by chance,
`left_out.py` has the reasons for differences that stay, of which docs/sandbox.md is made.
"""
