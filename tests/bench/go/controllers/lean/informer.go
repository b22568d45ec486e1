// Package lean makes informers with the dynamic client, without the package dynamicinformer: that one imports the types and
// clients of all of Kubernetes' own kinds, which take megabytes in each process.
package lean

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

// NewInformer keeps what a field selector ("" for everything) picks, without managedFields.
func NewInformer(client dynamic.ResourceInterface, selector string) (cache.SharedIndexInformer, error) {
	both := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = selector
			return client.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = selector
			return client.Watch(ctx, options)
		},
	}
	source := cache.ToListWatcherWithWatchListSemantics(both, client)
	informer := cache.NewSharedIndexInformer(source, &unstructured.Unstructured{}, 0, cache.Indexers{})
	return informer, informer.SetTransform(withoutManagedFields)
}

func withoutManagedFields(object any) (any, error) {
	if known, ok := object.(*unstructured.Unstructured); ok {
		known.SetManagedFields(nil)
	}
	return object, nil
}
