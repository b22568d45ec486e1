# parameters: {}
package policy

import rego.v1

violation contains {"msg": "never"} if false
