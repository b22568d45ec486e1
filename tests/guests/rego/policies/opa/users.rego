# settings: {"admins": ["admin", "root"], "group": "system:masters"}
package policy

import rego.v1

default allowed := false

allowed if input.request.userInfo.username in data.admins

allowed if data.group in input.request.userInfo.groups

allowed if regex.template_match("system:serviceaccount:{[a-z]+}:{.*}", input.request.userInfo.username, "{", "}")

main := {"response": {"uid": input.request.uid, "allowed": allowed, "status": status}}

status := {} if allowed

status := {"message": sprintf("%s may not %s", [object.get(input.request.userInfo, "username", "nobody"), lower(input.request.operation)])} if not allowed
