"""The native plugins, one file each, named as upstream names them; formulas and texts are kube-scheduler
1.37's.

`FACTORIES` and the default order and weights are in edged/scheduling/core/profile.py.
"""
