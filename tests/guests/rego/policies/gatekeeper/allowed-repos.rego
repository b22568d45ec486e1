# parameters: {"repos": ["registry.example.com/", "ghcr.io/team/"]}
package policy

import rego.v1

containers contains container if some container in input.review.object.spec.containers

containers contains container if some container in input.review.object.spec.initContainers

violation contains {"msg": msg} if {
	some container in containers
	not strings.any_prefix_match(container.image, input.parameters.repos)
	msg := sprintf("container <%v> has the image <%v> of an untrusted repository", [container.name, container.image])
}
