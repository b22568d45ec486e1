"""Kubewarden's custom resources (`policies.kubewarden.io`): definitions, what they mean to edged, their status.

Pure. edged/admission/resources/custom_resources.py watches and writes, edged/admission/endpoint/routes.py hands reviews
of them on, edged/cli reads them for `edged migrate`.
"""
