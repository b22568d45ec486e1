# parameters: {"names": ["bad"]}
package policy

import rego.v1

violation contains {"msg": msg} if {
	input.review.object.metadata.name == input.parameters.names[_]
	msg := "the name is forbidden"
}

violation contains {"msg": msg} if {
	walk(input.review.object, [path, value])
	value == "forbidden"
	msg := sprintf("forbidden at %s", [concat("/", [sprintf("%v", [part]) | some part in path])])
}
