# parameters: {}
package policy

import rego.v1

names := [container.name | some container in input.review.object.spec.containers]

violation contains {"msg": sprintf("%s is there %d times", [name, n])} if {
	some name in names
	n := count([1 | some other in names; other == name])
	n > 1
}
