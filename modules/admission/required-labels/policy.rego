# Objects must carry the labels that the parameters name, and their values must match, where a pattern is given.
#
# parameters: {"labels": [{"key": "owner", "allowedRegex": "^[a-z]+@example\\.com$"}, {"key": "team"}]}
package policy

import rego.v1

wanted := object.get(input.parameters, "labels", [])

given := object.get(input.review.object.metadata, "labels", {})

violation contains {"msg": msg, "details": {"missing": missing}} if {
	missing := {label.key | some label in wanted} - object.keys(given)
	count(missing) > 0
	msg := sprintf("these labels are missing: %s", [concat(", ", sort(missing))])
}

violation contains {"msg": msg} if {
	some label in wanted
	value := given[label.key]
	not matches(label, value)
	msg := sprintf("label %s is %q, which does not match %s", [label.key, value, label.allowedRegex])
}

matches(label, _) if not label.allowedRegex

# regex.match would do, but it is OPA's own and doubles the module; this one is the host's.
matches(label, value) if count(regex.find_n(label.allowedRegex, value, 1)) > 0
