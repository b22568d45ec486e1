package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestResource is the kind that tests/bench/controllers/objects.py defines.
type TestResource struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		Nonce string `json:"nonce,omitempty"`
	} `json:"spec,omitempty"`
}

// TestResourceList is a list of them.
type TestResourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TestResource `json:"items"`
}

func (in *TestResource) copied() *TestResource {
	out := *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	return &out
}

// DeepCopyObject is a copy that shares nothing.
func (in *TestResource) DeepCopyObject() runtime.Object { return in.copied() }

// DeepCopyObject is a copy that shares nothing.
func (in *TestResourceList) DeepCopyObject() runtime.Object {
	out := *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]TestResource, 0, len(in.Items))
	for _, item := range in.Items {
		out.Items = append(out.Items, *item.copied())
	}
	return &out
}

// scheme knows this kind alone: what is not registered takes no memory.
func scheme() *runtime.Scheme {
	known := runtime.NewScheme()
	version := schema.GroupVersion{Group: "bench.edged.dev", Version: "v1"}
	known.AddKnownTypes(version, &TestResource{}, &TestResourceList{})
	metav1.AddToGroupVersion(known, version)
	return known
}
