// Command agent does what the module kos-agent does, in outline, for tests/bench: it keeps an in-memory fabric of the
// NetworkAttachments of its node and of those that they can reach. One informer has the node's own attachments; each
// network (VNI) that one of them is in has an informer of its own, which comes and goes with the node's need.
//
// It prints "ready" when its own attachments are known, and with -v a line for each entry that the fabric gets or loses.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

// agent has one worker, so what only reconcile touches needs no lock.
type agent struct {
	client dynamic.Interface
	queue  workqueue.TypedRateLimitingInterface[string]
	local  cache.SharedIndexInformer
	remote *networks
	fabric fabric
	node   string
	hostIP string
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how the API server is reached")
	node := flag.String("node", "", "this node's name")
	hostIP := flag.String("host-ip", "127.0.0.1", "this node's address in the fabric")
	verbose := flag.Bool("v", false, "say what the fabric gets and loses")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	check(err)
	config.QPS = -1 // the server's priority and fairness is the limit
	client, err := dynamic.NewForConfig(config)
	check(err)
	limiter := workqueue.DefaultTypedControllerRateLimiter[string]()
	a := &agent{client: client, queue: workqueue.NewTypedRateLimitingQueue(limiter), node: *node, hostIP: *hostIP}
	a.fabric = fabric{entries: map[string]entry{}, verbose: *verbose}
	a.local, err = informer(client, "", fmt.Sprintf("spec.node=%s,status.ipv4!=", *node), a.queue.Add)
	check(err)
	a.remote = newNetworks(ctx, client, *node, a.queue.Add)
	a.run(ctx)
}

func (a *agent) run(ctx context.Context) {
	go a.local.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), a.local.HasSynced) {
		return
	}
	fmt.Println("ready")
	context.AfterFunc(ctx, a.queue.ShutDown)
	for a.next(ctx) {
	}
}

// next takes one key and handles it; false at the end.
func (a *agent) next(ctx context.Context) bool {
	key, shutdown := a.queue.Get()
	if shutdown {
		return false
	}
	defer a.queue.Done(key)
	if err := a.reconcile(ctx, key); err != nil {
		log.Printf("%s: %v", key, err)
		a.queue.AddRateLimited(key)
		return true
	}
	a.queue.Forget(key)
	return true
}

// reconcile takes one attachment to where it belongs. An object that two informers know at once has moved, and which of
// both is newer is unknown: the one that loses it will say so.
func (a *agent) reconcile(ctx context.Context, key string) error {
	own, isLocal, err := a.local.GetStore().GetByKey(key)
	if err != nil {
		return err
	}
	others := a.remote.find(key)
	switch {
	case isLocal && len(others) == 0:
		return a.implement(ctx, key, attachmentOf(own))
	case !isLocal && len(others) == 1:
		a.remote.leave(key)
		a.fabric.set(key, entry{vni: others[0].vni, ipv4: others[0].ipv4, hostIP: others[0].hostIP})
	case !isLocal && len(others) == 0:
		a.remote.leave(key)
		a.fabric.remove(key)
	}
	return nil
}

// implement makes the interface of a local attachment and tells of it in the attachment's status.
func (a *agent) implement(ctx context.Context, key string, found attachment) error {
	if err := a.remote.join(key, found.vni, found.namespace); err != nil {
		return err
	}
	mac, err := macAddress(found.vni, found.ipv4)
	if err != nil {
		return err
	}
	a.fabric.set(key, entry{vni: found.vni, ipv4: found.ipv4, mac: mac, local: true})
	return found.report(ctx, a.client, mac, interfaceName(mac), a.hostIP)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
