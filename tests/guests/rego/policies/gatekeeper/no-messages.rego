# parameters: {}
package policy

import rego.v1

violation contains {"code": 1} if input.review.operation == "CREATE"

violation contains {"msg": "ä ☃ 😀", "nested": {"deep": [1, [2, {"x": null}]]}} if input.review.operation == "CREATE"
