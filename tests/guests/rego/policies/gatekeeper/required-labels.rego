# parameters: {"labels": ["owner", "größe"]}
package policy

import rego.v1

violation contains {"msg": msg, "details": {"missing": missing}} if {
	given := {label | some label, _ in input.review.object.metadata.labels}
	missing := {label | some label in input.parameters.labels} - given
	count(missing) > 0
	msg := sprintf("labels are missing: %s", [concat(", ", sort(missing))])
}
