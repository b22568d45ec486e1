# settings: {"hosts": ["*.example.com", "api.?.test"], "ports": {"from": 80, "to": 90}}
package policy

import rego.v1

hosts := [host | some rule in input.request.object.spec.rules; host := rule.host]

bad := [host | some host in hosts; not matched(host)]

matched(host) if glob.match(data.hosts[_], ["."], host)

found := regex.find_n(`[a-zäöü]+`, lower(object.get(input.request.object.metadata, "name", "")), -1)

main := {"response": {"uid": input.request.uid, "allowed": count(bad) == 0, "status": {
	"message": sprintf("hosts: %s; words: %s; at: %d", [concat(",", bad), concat(",", found), count(indexof_n(concat("", hosts), "."))]),
	"details": {"causes": [{"message": host} | some host in bad], "name": "hosts"},
}}}
