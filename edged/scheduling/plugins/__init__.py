"""The native plugins, one file each, named as upstream names them; formulas and texts are kube-scheduler
1.37's.

`FACTORIES` is in edged/scheduling/core/profile.py, the default order and weights are in point_plan.py.
"""
