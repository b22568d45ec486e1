"""ResourceQuota: what the objects of a namespace use, and what they may use together. Pure.

Source: pkg/quota/v1 of Kubernetes 1.37 and pkg/admission/plugin/resourcequota of its apiserver. What is used is counted
here for the plugin and for controllers/quotas.py, which keeps the status.
"""
