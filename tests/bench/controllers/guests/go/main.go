// The ring's controller: it copies the nonce of the TestResource "ring" in one namespace to the one in another. With `spin`
// it reads its object from the cache and asks for its own key again, and writes nothing.
package main

import (
	"encoding/json"
	"errors"

	controller "edged.dev/sdk/go"
)

const (
	apiVersion = "bench.edged.dev/v1"
	kind       = "TestResource"
)

var config struct {
	From string `json:"from"`
	To   string `json:"to"`
	Spin bool   `json:"spin"`
}

type resource struct {
	Spec struct {
		Nonce string `json:"nonce,omitempty"`
	} `json:"spec"`
}

func setup(with controller.Setup) (controller.Manifest, error) {
	if err := json.Unmarshal(with.Config, &config); err != nil {
		return controller.Manifest{}, err
	}
	if config.From == "" || config.To == "" {
		return controller.Manifest{}, errors.New("config needs from and to")
	}
	watch := controller.Watch{
		ID: "own", APIVersion: apiVersion, Kind: kind, Namespace: config.From,
		Map: []controller.Mapping{controller.MapSelf()}, On: []string{"/spec"},
	}
	return controller.Manifest{
		For: &controller.Kind{APIVersion: apiVersion, Kind: kind}, Watches: []controller.Watch{watch},
	}, nil
}

func reconcile(request controller.Request) (controller.Result, error) {
	if config.Spin {
		return controller.Result{}, spin(request.Key)
	}
	if request.Gone() {
		return controller.Result{}, nil
	}
	var own resource
	if err := json.Unmarshal(request.Object, &own); err != nil || own.Spec.Nonce == "" {
		return controller.Result{}, err
	}
	patch, err := json.Marshal(own)
	if err != nil {
		return controller.Result{}, err
	}
	_, err = controller.Patch(controller.WriteRequest{
		APIVersion: apiVersion, Kind: kind, Namespace: config.To, Name: request.Key.Name, PatchType: "merge",
		Patch: json.RawMessage(patch),
	})
	return controller.Result{}, err
}

func spin(key controller.Key) error {
	_, err := controller.Get(controller.GetRequest{
		APIVersion: apiVersion, Kind: kind, Namespace: key.Namespace, Name: key.Name,
	})
	if err != nil {
		return err
	}
	return controller.Enqueue(key, 0)
}

func init() { controller.Register(controller.Module{Setup: setup, Reconcile: reconcile}) }

func main() {}
