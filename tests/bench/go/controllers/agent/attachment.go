package main

import (
	"context"
	"strings"

	"edged/tests/bench/controllers/lean"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

var resource = schema.GroupVersionResource{
	Group: "network.edged.dev", Version: "v1alpha1", Resource: "networkattachments",
}

// attachment is what the agent reads of a NetworkAttachment.
type attachment struct {
	object                               *unstructured.Unstructured
	namespace, ipv4, hostIP, mac, device string
	vni                                  int64
}

func attachmentOf(known any) attachment {
	object := known.(*unstructured.Unstructured)
	text := func(field string) string {
		value, _, _ := unstructured.NestedString(object.Object, "status", field)
		return value
	}
	vni, _, _ := unstructured.NestedInt64(object.Object, "status", "addressVNI")
	return attachment{
		object: object, namespace: object.GetNamespace(), vni: vni,
		ipv4: text("ipv4"), hostIP: text("hostIP"), mac: text("macAddress"), device: text("ifcName"),
	}
}

// report writes the agent's half of the status, guarded by the version that was read, where it is not there yet.
func (a attachment) report(ctx context.Context, client dynamic.Interface, mac, device, hostIP string) error {
	if a.mac == mac && a.device == device && a.hostIP == hostIP {
		return nil
	}
	changed := a.object.DeepCopy()
	for field, value := range map[string]string{"macAddress": mac, "ifcName": device, "hostIP": hostIP} {
		if err := unstructured.SetNestedField(changed.Object, value, "status", field); err != nil {
			return err
		}
	}
	_, err := client.Resource(resource).Namespace(a.namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}

// informer of the attachments that a field selector picks, in one namespace or ("") in all; `changed` gets their keys.
func informer(
	client dynamic.Interface, namespace, selector string, changed func(string),
) (cache.SharedIndexInformer, error) {
	made, err := lean.NewInformer(client.Resource(resource).Namespace(namespace), selector)
	if err != nil {
		return nil, err
	}
	notice := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			changed(key)
		}
	}
	_, err = made.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    notice,
		DeleteFunc: notice,
		UpdateFunc: func(old, current any) {
			before, after := attachmentOf(old), attachmentOf(current)
			if before.object.GetUID() != after.object.GetUID() || before.vni != after.vni || before.ipv4 != after.ipv4 ||
				before.hostIP != after.hostIP {
				notice(current)
			}
		},
	})
	return made, err
}

// interfaceName is that of a guest's interface: kos and the twelve digits of its MAC address.
func interfaceName(mac string) string { return "kos" + strings.ReplaceAll(mac, ":", "") }
