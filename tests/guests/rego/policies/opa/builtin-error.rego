# settings: {}
package policy

import rego.v1

main := {"response": {"uid": input.request.uid, "allowed": true, "warnings": [sprintf("%v", [time.parse_rfc3339_ns(begin)])]}} if {
	begin := input.request.object.metadata.annotations["valid-until"]
}
