"""An in-memory Kubernetes API server that kubectl and client libraries can talk to.

`server.serve` starts one. Only server.py, watches.py and webhook_admission.py (with webhookcall.py) wait for anything;
all the rest knows no trio. Nothing here is imported by the daemon.
"""
