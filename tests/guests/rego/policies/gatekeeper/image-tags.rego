# parameters: {}
package policy

import rego.v1

violation contains {"msg": msg} if {
	some container in input.review.object.spec.containers
	parts := regex.split("[@:]", container.image)
	count(parts) < 2
	msg := sprintf("%s: no tag", [container.name])
}

violation contains {"msg": msg} if {
	some container in input.review.object.spec.containers
	regex.match(`:latest$`, container.image)
	msg := sprintf("%s: tag latest", [regex.replace(container.image, `^.*/([^/:]+):.*$`, "$1")])
}
