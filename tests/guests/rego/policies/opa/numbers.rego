# settings: {"factor": 2.5}
package policy

import rego.v1

values := [value | walk(input.request.object, [_, value]); is_number(value)]

main := {"response": {"uid": input.request.uid, "allowed": count(values) < 5, "status": {"message": sprintf(
	"sum %v, max %v, factor %v, big %v, rounded %v",
	[sum(values), max(array.concat(values, [0])), data.factor, 123456789012345678901234567890, round(sum(values) * data.factor)],
)}}}
