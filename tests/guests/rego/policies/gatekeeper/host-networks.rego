# parameters: {"allowed": ["10.0.0.0/8", "2001:db8::/32"]}
package policy

import rego.v1

violation contains {"msg": sprintf("%s is in no allowed network", [address])} if {
	some address in input.review.object.spec.externalIPs
	matches := net.cidr_contains_matches(input.parameters.allowed, address)
	count(matches) == 0
}

violation contains {"msg": sprintf("%d networks overlap", [count(merged)])} if {
	merged := net.cidr_merge(input.review.object.spec.ranges)
	count(merged) < count(input.review.object.spec.ranges)
}
