# settings: {"label": "edged/seen"}
package policy

import rego.v1

patch := [{"op": "add", "path": "/metadata/labels", "value": {data.label: "yes"}}]

main := {"response": {
	"uid": input.request.uid,
	"allowed": true,
	"patchType": "JSONPatch",
	"patch": base64.encode(json.marshal(patch)),
	"warnings": [sprintf("%d keys", [count(object.keys(patched.metadata))])],
	"auditAnnotations": {"sum": crypto.sha256(concat(",", sort(object.keys(patched))))},
}} if {
	patched := json.patch(input.request.object, [{"op": "add", "path": "/metadata/labels", "value": {"a": 1}}])
}
