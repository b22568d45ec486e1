"""ValidatingAdmissionPolicies and MutatingAdmissionPolicies: which apply to a write, and what they say of it.

matching.py and parameters.py tell what applies, compiled.py and context.py make and evaluate the expressions,
validating.py and mutating.py are what the API server's plugins do. Facts from pkg/admission/plugin/policy of
k8s.io/apiserver.
"""
