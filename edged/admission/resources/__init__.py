"""Kubewarden's custom resources (`policies.kubewarden.io`): definitions, what they mean to edged, their status.

Pure. edged/loops/custom_resources.py watches and writes, edged/webhook/routes.py hands reviews of them on, edged/cli
reads them for `edged migrate`.
"""
