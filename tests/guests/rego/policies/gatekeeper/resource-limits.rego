# parameters: {"cpu": "2", "memory": "1Gi"}
package policy

import rego.v1

violation contains {"msg": msg} if {
	some container in input.review.object.spec.containers
	some name, most in input.parameters
	given := object.get(container, ["resources", "limits", name], null)
	given != null
	units.parse(sprintf("%v", [given])) > units.parse(most)
	msg := sprintf("%s: %s %v is more than %v", [container.name, name, given, most])
}

violation contains {"msg": sprintf("%s: no limits", [container.name])} if {
	some container in input.review.object.spec.containers
	not container.resources.limits
}
