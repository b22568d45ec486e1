# parameters: {"graph": {"web": ["api"], "api": ["db", "cache"], "db": [], "cache": ["web"]}}
package policy

import rego.v1

violation contains {"msg": sprintf("%s reaches %d nodes", [start, count(found)])} if {
	start := input.review.object.metadata.labels.app
	found := graph.reachable(input.parameters.graph, {start})
	count(found) > 2
}

violation contains {"msg": sprintf("paths: %d", [count(paths)])} if {
	paths := graph.reachable_paths(input.parameters.graph, {input.review.object.metadata.labels.app})
	count(paths) > 1
}
