# settings: {}
package policy

import rego.v1

main := {}
