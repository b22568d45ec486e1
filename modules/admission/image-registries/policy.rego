# Containers must come from the registries of the settings; tags `latest` and none get a warning.
#
# settings: {"registries": ["registry.example.com/", "ghcr.io/team/"]}
package policy

import rego.v1

main := {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

response := {"uid": input.request.uid, "allowed": true, "warnings": sort(moving)} if count(foreign) == 0

response := {"uid": input.request.uid, "allowed": false, "status": {"message": msg, "code": 403}} if {
	count(foreign) > 0
	msg := sprintf("images of registries that are not allowed: %s", [concat(", ", sort(foreign))])
}

spec := object.get(input.request.object, ["spec", "template", "spec"], input.request.object.spec)

images contains container.image if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some container in spec[list]
}

# An undefined value inside `not` would leave the image out: without settings no registry is allowed.
default registries := []

registries := data.registries

foreign := {image | some image in images; not strings.any_prefix_match(image, registries)}

moving contains sprintf("%s: the tag may move", [image]) if {
	some image in images
	not contains(image, "@")
	parts := split(image, "/")
	tag := split(parts[count(parts) - 1], ":")
	array.concat(array.slice(tag, 1, 2), ["latest"])[0] == "latest"
}
