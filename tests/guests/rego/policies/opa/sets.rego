# settings: {"want": ["a", "b"]}
package policy

import rego.v1

given := {key | some key, _ in input.request.object.metadata.labels}

expanded := net.cidr_expand("192.0.2.0/30")

main := {"response": {"uid": input.request.uid, "allowed": object.subset({"k": given}, {"k": {"owner"}}), "warnings": [
	sprintf("%d", [count(given & {"owner", "app"})]),
	sprintf("%v", ["192.0.2.2" in expanded]),
	sprintf("%d", [count(expanded - {"192.0.2.1"})]),
	sprintf("%v", [strings.any_suffix_match(given, {"r", "x"})]),
]}}
