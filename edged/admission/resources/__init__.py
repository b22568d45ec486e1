"""Kubewarden's custom resources (`policies.kubewarden.io`): definitions, what they mean to edged, their status.

Pure but for the task itself: custom_resources.py and its resource_*.py watch, load and write.
edged/admission/endpoint/object_reviews.py hands reviews of them on, edged/cli reads them for `edged migrate`.
"""
