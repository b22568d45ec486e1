// Cordons a Node while an annotation of it is beyond a limit (a battery that is nearly empty, a board that is too hot), and
// uncordons it when all values are back, with hysteresis.
//
// A cordon of this module carries its mark, an annotation. What somebody else cordoned is never uncordoned, and a Node
// that somebody uncordoned by hand is left alone until its values are back. README.md describes the configuration.
package main

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	controller "edged.dev/sdk/go"
)

const (
	mark     = "edged.dev/cordoned-by-limits"
	released = "uncordoned by hand"
)

// A limit cordons where the value is below Below or above Above, and lets go at Until.
type limit struct {
	Annotation string   `json:"annotation"`
	Below      *float64 `json:"below"`
	Above      *float64 `json:"above"`
	Until      float64  `json:"until"`
}

type settings struct {
	Limits []limit `json:"limits"`
	HoldS  int64   `json:"hold_s"`
}

type node struct {
	Metadata struct {
		Name            string            `json:"name"`
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"spec"`
}

var config settings

func init() { controller.Register(controller.Module{Setup: setup, Reconcile: reconcile}) }

func main() {}

func setup(input controller.Setup) (controller.Manifest, error) {
	config = settings{HoldS: 60}
	if err := json.Unmarshal(input.Config, &config); err != nil {
		return controller.Manifest{}, errors.New("config: " + err.Error())
	}
	if len(config.Limits) == 0 {
		return controller.Manifest{}, errors.New("config.limits is empty: there is nothing to watch over")
	}
	for _, each := range config.Limits {
		if err := each.check(); err != nil {
			return controller.Manifest{}, err
		}
	}
	return controller.Manifest{
		For: &controller.Kind{APIVersion: "v1", Kind: "Node"},
		Watches: []controller.Watch{{
			ID: "nodes", APIVersion: "v1", Kind: "Node", Map: []controller.Mapping{controller.MapSelf()},
			On: []string{"/metadata/annotations", "/spec/unschedulable"},
			Keep: []string{
				"/metadata/name", "/metadata/uid", "/metadata/resourceVersion", "/metadata/annotations", "/spec/unschedulable",
			},
		}},
	}, nil
}

func (l limit) check() error {
	place := "config.limits: " + l.Annotation + ": "
	switch {
	case l.Annotation == "":
		return errors.New("config.limits: an entry names no annotation")
	case (l.Below == nil) == (l.Above == nil):
		return errors.New(place + "needs either below or above")
	case l.Below != nil && l.Until < *l.Below:
		return errors.New(place + "until is less than below")
	case l.Above != nil && l.Until > *l.Above:
		return errors.New(place + "until is more than above")
	}
	return nil
}

// state says why a limit cordons ("" where it does not), and whether its value is back.
func (l limit) state(annotations map[string]string) (reason string, back bool) {
	text := annotations[l.Annotation]
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", false // what says nothing neither cordons nor uncordons
	}
	if l.Below != nil {
		if value < *l.Below {
			reason = l.Annotation + " is " + text + ", below " + strconv.FormatFloat(*l.Below, 'g', -1, 64)
		}
		return reason, value >= l.Until
	}
	if value > *l.Above {
		reason = l.Annotation + " is " + text + ", above " + strconv.FormatFloat(*l.Above, 'g', -1, 64)
	}
	return reason, value <= l.Until
}

func reconcile(request controller.Request) (controller.Result, error) {
	if request.Gone() {
		return controller.Result{}, nil
	}
	var found node
	if err := json.Unmarshal(request.Object, &found); err != nil {
		return controller.Result{}, err
	}
	reasons, back := []string{}, true
	for _, each := range config.Limits {
		reason, isBack := each.state(found.Metadata.Annotations)
		if reason != "" {
			reasons = append(reasons, reason)
		}
		back = back && isBack
	}
	return found.decide(strings.Join(reasons, "; "), back)
}

func (n node) decide(reason string, back bool) (controller.Result, error) {
	ours := n.Metadata.Annotations[mark]
	switch {
	case ours == "" && !n.Spec.Unschedulable && reason != "":
		return controller.Result{}, n.cordon(reason)
	case ours == "":
		return controller.Result{}, nil
	case n.Spec.Unschedulable && ours != released:
		if !back {
			return controller.Result{}, nil
		}
		if left := heldMs(ours); left > 0 {
			return controller.Result{RequeueAfterMs: left}, nil
		}
		return controller.Result{}, n.uncordon()
	case back:
		return controller.Result{}, n.write(nil, nil)
	case ours != released:
		return controller.Result{}, n.write(released, nil)
	}
	return controller.Result{}, nil
}

// heldMs is how long a cordon has to stay: a value that jumps does not make a Node flap.
func heldMs(mark string) int64 {
	text, _, _ := strings.Cut(mark, " ")
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return since.UnixMilli() + config.HoldS*1000 - controller.NowMs()
}

func (n node) cordon(reason string) error {
	since := time.UnixMilli(controller.NowMs()).UTC().Format(time.RFC3339)
	if err := n.write(since+" "+reason, true); err != nil {
		return err
	}
	return n.note("Warning", "Cordoned", reason)
}

func (n node) uncordon() error {
	if err := n.write(nil, false); err != nil {
		return err
	}
	return n.note("Normal", "Uncordoned", "all values are back")
}

// write changes the mark and, where it is said, whether the Node is cordoned. It meets the version that was looked at.
func (n node) write(text, unschedulable any) error {
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{mark: text}}}
	if unschedulable != nil {
		patch["spec"] = map[string]any{"unschedulable": unschedulable}
	}
	_, err := controller.Patch(controller.WriteRequest{
		APIVersion: "v1", Kind: "Node", Name: n.Metadata.Name, PatchType: "merge", Patch: patch,
		Preconditions: &controller.Preconditions{
			UID: n.Metadata.UID, ResourceVersion: n.Metadata.ResourceVersion,
		},
	})
	return err
}

func (n node) note(kind, reason, text string) error {
	return controller.Emit(controller.Event{
		Regarding: controller.Reference{APIVersion: "v1", Kind: "Node", Name: n.Metadata.Name, UID: n.Metadata.UID},
		Type:      kind, Reason: reason, Note: text,
	})
}
