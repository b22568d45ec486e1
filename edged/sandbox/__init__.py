"""An in-memory Kubernetes API server that kubectl and client libraries can talk to.

`server.serve` starts one; `api.py` sends a request to the room that answers it. Only server.py, reading/watches.py and
admission/webhook_admission.py (with webhookcall.py) wait for anything; all the rest knows no trio. Nothing here is
imported by the daemon.
"""
