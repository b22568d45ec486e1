// Command webhookrules says which rules of webhooks match which requests, with the API server's own matcher.
//
// Each line of stdin is {"rule": RuleWithOperations, "subject": {group, version, resource, subresource, operation,
// namespace}}. Each line of stdout is the answer: true or false.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
)

type question struct {
	Rule    v1.RuleWithOperations `json:"rule"`
	Subject struct {
		Group, Version, Resource, Subresource, Operation, Namespace string
	} `json:"subject"`
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	answers := bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	decoder := json.NewDecoder(lines)
	for decoder.More() {
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		about := asked.Subject
		resource := schema.GroupVersionResource{Group: about.Group, Version: about.Version, Resource: about.Resource}
		attributes := admission.NewAttributesRecord(nil, nil, schema.GroupVersionKind{}, about.Namespace, "name", resource,
			about.Subresource, admission.Operation(about.Operation), nil, false, nil)
		matcher := rules.Matcher{Rule: asked.Rule, Attr: attributes}
		fmt.Fprintln(answers, matcher.Matches())
	}
}
