package main

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

// networks are those that attachments of this node are in, each with an informer of its attachments on other nodes.
// Used by the worker alone.
type networks struct {
	ctx     context.Context
	client  dynamic.Interface
	node    string
	changed func(string)
	byVNI   map[int64]*network
	vniOf   map[string]int64
}

type network struct {
	namespace string
	informer  cache.SharedIndexInformer
	stop      context.CancelFunc
	local     map[string]struct{}
}

func newNetworks(ctx context.Context, client dynamic.Interface, node string, changed func(string)) *networks {
	return &networks{
		ctx: ctx, client: client, node: node, changed: changed, byVNI: map[int64]*network{}, vniOf: map[string]int64{},
	}
}

// find is what the informers of the networks know of a key.
func (n *networks) find(key string) []attachment {
	var found []attachment
	for _, each := range n.byVNI {
		if object, exists, err := each.informer.GetStore().GetByKey(key); err == nil && exists {
			found = append(found, attachmentOf(object))
		}
	}
	return found
}

// join says that a local attachment is in a network; the first one starts its informer.
func (n *networks) join(key string, vni int64, namespace string) error {
	if known, ok := n.vniOf[key]; ok && known != vni {
		n.leave(key)
	}
	found, ok := n.byVNI[vni]
	if !ok {
		var err error
		if found, err = n.start(vni, namespace); err != nil {
			return err
		}
		n.byVNI[vni] = found
	}
	if found.namespace != namespace {
		return fmt.Errorf("network %d is in namespace %s, not %s", vni, found.namespace, namespace)
	}
	found.local[key] = struct{}{}
	n.vniOf[key] = vni
	return nil
}

func (n *networks) start(vni int64, namespace string) (*network, error) {
	selector := fmt.Sprintf("spec.node!=%s,status.addressVNI=%d,status.ipv4!=,status.hostIP!=", n.node, vni)
	ctx, stop := context.WithCancel(n.ctx)
	made, err := informer(n.client, namespace, selector, n.changed)
	if err != nil {
		stop()
		return nil, err
	}
	go made.Run(ctx.Done())
	return &network{namespace: namespace, informer: made, stop: stop, local: map[string]struct{}{}}, nil
}

// leave says that a key is in no network by way of this node; the last one of a network stops its informer, and what was
// known through it is looked at again.
func (n *networks) leave(key string) {
	vni, ok := n.vniOf[key]
	if !ok {
		return
	}
	delete(n.vniOf, key)
	left := n.byVNI[vni]
	delete(left.local, key)
	if len(left.local) > 0 {
		return
	}
	left.stop()
	delete(n.byVNI, vni)
	for _, remote := range left.informer.GetStore().ListKeys() {
		n.changed(remote)
	}
}
