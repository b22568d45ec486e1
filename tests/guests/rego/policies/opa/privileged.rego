# settings: {"exempt": ["trusted"]}
package policy

import rego.v1

main := {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

default response := {"uid": "x", "allowed": true}

response := {"uid": input.request.uid, "allowed": false, "status": {"message": concat("; ", sort(problems)), "code": 403}} if {
	count(problems) > 0
}

problems contains sprintf("container %q is privileged", [container.name]) if {
	some container in input.request.object.spec.containers
	container.securityContext.privileged
	not container.name in data.exempt
}
