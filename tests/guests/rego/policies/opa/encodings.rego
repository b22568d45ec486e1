# settings: {}
package policy

import rego.v1

name := object.get(input.request.object.metadata, "name", "")

main := {"response": {"uid": input.request.uid, "allowed": true, "auditAnnotations": {
	"hex": hex.encode(name),
	"back": hex.decode(hex.encode(name)),
	"b64": base64url.encode_no_pad(name),
	"query": urlquery.encode_object({"name": replace(name, " ", "_")}),
	"yaml": yaml.marshal({"name": name, "list": [1, 2.5, null]}),
	"glob": glob.quote_meta(name),
	"md5": crypto.md5(name),
	"hmac": crypto.hmac.sha256(name, "key"),
	"options": json.marshal_with_options({"n": name}, {"indent": " "}),
}}}
