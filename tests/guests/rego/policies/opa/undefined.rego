# settings: {}
package policy

import rego.v1

main := {"response": {"uid": input.request.uid, "allowed": true}} if input.request.operation == "UPDATE"
