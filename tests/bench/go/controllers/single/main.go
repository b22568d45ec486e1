// Command single is one small controller of client-go alone, for tests/bench: it copies the nonce of the TestResource
// "ring" in one namespace to the one in another. Its informer knows its own namespace and nothing else; managedFields are not
// kept. It prints "ready" when it works.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"
	"time"

	"edged/tests/bench/controllers/lean"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

const name = "ring"

var resource = schema.GroupVersionResource{Group: "bench.edged.dev", Version: "v1", Resource: "testresources"}

// controller copies what its informer knows to the namespace `to`.
type controller struct {
	client   dynamic.Interface
	informer cache.SharedIndexInformer
	queue    workqueue.TypedRateLimitingInterface[string]
	to       string
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how the API server is reached")
	from := flag.String("from", "ring-0", "the namespace whose nonce is copied")
	to := flag.String("to", "ring-1", "the namespace it is copied to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	check(err)
	config.QPS = -1 // the server's priority and fairness is the limit
	client, err := dynamic.NewForConfig(config)
	check(err)
	made, err := newController(client, *from, *to)
	check(err)
	made.run(ctx)
}

func newController(client dynamic.Interface, from, to string) (*controller, error) {
	informer, err := lean.NewInformer(client.Resource(resource).Namespace(from), "")
	if err != nil {
		return nil, err
	}
	limiter := workqueue.DefaultTypedControllerRateLimiter[string]()
	c := &controller{client: client, informer: informer, queue: workqueue.NewTypedRateLimitingQueue(limiter), to: to}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueue,
		UpdateFunc: func(_, changed any) { c.enqueue(changed) },
	})
	return c, err
}

func (c *controller) enqueue(object any) {
	if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
		c.queue.Add(key)
	}
}

func (c *controller) run(ctx context.Context) {
	go c.informer.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), c.informer.HasSynced) {
		return
	}
	fmt.Println("ready")
	context.AfterFunc(ctx, c.queue.ShutDown)
	for c.next(ctx) {
	}
}

// next takes one key and handles it; false at the end.
func (c *controller) next(ctx context.Context) bool {
	key, shutdown := c.queue.Get()
	if shutdown {
		return false
	}
	defer c.queue.Done(key)
	if err := c.reconcile(ctx, key); err != nil {
		log.Printf("%s: %v", key, err)
		c.queue.AddRateLimited(key)
		return true
	}
	c.queue.Forget(key)
	return true
}

func (c *controller) reconcile(ctx context.Context, key string) error {
	object, exists, err := c.informer.GetStore().GetByKey(key)
	if err != nil || !exists {
		return err
	}
	nonce, _, err := unstructured.NestedString(object.(*unstructured.Unstructured).Object, "spec", "nonce")
	if err != nil || nonce == "" {
		return err
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]string{"nonce": nonce}})
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err = c.client.Resource(resource).Namespace(c.to).Patch(
		limited, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "single"})
	return err
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
