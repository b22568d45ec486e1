# parameters: {"now": "2024-03-01T00:00:00Z"}
package policy

import rego.v1

violation contains {"msg": msg} if {
	until := time.parse_rfc3339_ns(input.review.object.metadata.annotations["valid-until"])
	now := time.parse_rfc3339_ns(input.parameters.now)
	until < now
	msg := sprintf("ended on %s, %v ago", [time.format([until, "Europe/Berlin", "2006-01-02"]), time.diff(now, until)[2]])
}

violation contains {"msg": sprintf("begins on a %s", [day])} if {
	begin := time.parse_ns("2006-01-02", input.review.object.metadata.annotations.begin)
	day := time.weekday(time.add_date(begin, 0, 1, 0))
	day in {"Saturday", "Sunday"}
}
