// Command ring runs controllers of controller-runtime in one process, for tests/bench: controller i copies the nonce of the
// TestResource "ring" in namespace ring-i to the one in namespace ring-(i+1).
//
// All of them share one manager, so there is one client, one cache and one watch. It prints "ready" when they work.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const name = "ring"

// copier is one controller.
type copier struct {
	client client.Client
	next   string
}

func (c *copier) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var resource TestResource
	if err := c.client.Get(ctx, request.NamespacedName, &resource); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if resource.Spec.Nonce == "" {
		return ctrl.Result{}, nil
	}
	patch, err := json.Marshal(map[string]any{"spec": resource.Spec})
	if err != nil {
		return ctrl.Result{}, err
	}
	var target TestResource
	target.Namespace, target.Name = c.next, name
	return ctrl.Result{}, c.client.Patch(ctx, &target, client.RawPatch(types.MergePatchType, patch))
}

func namespace(number int) string { return fmt.Sprintf("ring-%d", number) }

func main() {
	first := flag.Int("first", 0, "the first controller's number")
	count := flag.Int("count", 100, "how many controllers")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	config, err := ctrl.GetConfig() // the flag -kubeconfig is controller-runtime's
	check(err)
	config.QPS = -1 // the server's priority and fairness is the limit
	ring, err := made(config, *first, *count)
	check(err)
	check(ring.Start(ctrl.SetupSignalHandler()))
}

// made is a manager with the controllers. One controller alone caches its own namespace and no other.
func made(config *rest.Config, first, count int) (manager.Manager, error) {
	options := ctrl.Options{Scheme: scheme(), Metrics: server.Options{BindAddress: "0"}}
	if count == 1 {
		options.Cache = cache.Options{DefaultNamespaces: map[string]cache.Config{namespace(first): {}}}
	}
	options.Cache.DefaultTransform = cache.TransformStripManagedFields()
	ring, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, err
	}
	for number := first; number < first+count; number++ {
		own := namespace(number)
		here := predicate.NewPredicateFuncs(func(object client.Object) bool { return object.GetNamespace() == own })
		err := ctrl.NewControllerManagedBy(ring).
			Named(own).
			For(&TestResource{}, builder.WithPredicates(here, predicate.GenerationChangedPredicate{})).
			Complete(&copier{client: ring.GetClient(), next: namespace(number + 1)})
		if err != nil {
			return nil, err
		}
	}
	return ring, ring.Add(manager.RunnableFunc(func(ctx context.Context) error {
		if ring.GetCache().WaitForCacheSync(ctx) {
			fmt.Println("ready")
		}
		return nil
	}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
