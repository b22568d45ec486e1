"""What the API server fills in: defaults of fields, what admission plugins add, what is set when an object is made.

Pure; objects are changed in place. Used by the sandbox for what it stores, and by simulations for objects that no API
server has seen. Source: Kubernetes 1.37 with the admission plugins that are on by default.
"""
