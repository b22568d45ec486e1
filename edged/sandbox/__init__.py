"""An in-memory Kubernetes API server that kubectl and client libraries can talk to.

`server.serve` starts one. Pure parts (storage, selectors, patches, shapes, fieldsets, schemas, protobuf, tables,
status, resources, discovery, openapi, defaults, validation) know no trio; server.py, watch.py and admission.py do
the waiting. Nothing here is imported by the daemon.
"""
