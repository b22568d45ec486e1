# parameters: {"least": "1.10.0"}
package policy

import rego.v1

violation contains {"msg": sprintf("%v is no version", [version])} if {
	version := input.review.object.metadata.labels.version
	not semver.is_valid(version)
}

violation contains {"msg": sprintf("%v is older than %v", [version, input.parameters.least])} if {
	version := input.review.object.metadata.labels.version
	semver.is_valid(version)
	semver.compare(version, input.parameters.least) < 0
}
