# settings: {}
package policy

import rego.v1

name := object.get(input.request.object.metadata, "name", "")

main := {"response": {"uid": input.request.uid, "allowed": true, "warnings": [
	upper(name),
	strings.reverse(name),
	substring(name, 0, 3),
	trim_space(sprintf("  %-10s|%5.1f|%x|%08d ", [name, 3.14159, 255, 42])),
	concat("-", strings.split_n(name, "-", 2)),
	sprintf("%d", [strings.count(name, "a")]),
	format_int(255, 16),
]}}
