# A host belongs to one Ingress: another one that names it is rejected. Reads the cluster's Ingresses, so it needs
# context_aware = [{ apiVersion = "networking.k8s.io/v1", kind = "Ingress" }].
package policy

import rego.v1

violation contains {"msg": msg} if {
	some rule in input.review.object.spec.rules
	some namespace, versions in data.inventory.namespace
	some name, other in versions["networking.k8s.io/v1"].Ingress
	not same(namespace, name)
	some taken in other.spec.rules
	lower(taken.host) == lower(rule.host)
	msg := sprintf("host %s is taken by Ingress %s/%s", [rule.host, namespace, name])
}

same(namespace, name) if {
	namespace == input.review.object.metadata.namespace
	name == input.review.object.metadata.name
}
