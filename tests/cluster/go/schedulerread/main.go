// Command schedulerread reads what kube-scheduler reads, for the tests that compare edged's reading with its.
//
// Each line of stdin is a question: {"how": ..., "text": base64, "status": number}. Each line of stdout is the answer:
// {"found": ...} or {"error": text}. "config" starts kube-scheduler up to the point where it would run, with the text
// as its configuration file, and tells the plugins of each profile. "filter", "prioritize", "preempt" and "bind" let
// its HTTP extender read the text as the body of an answer with that status; nodes are a, b and c, each with a Pod of
// the UID uid-a, uid-b or uid-c; with "-names" behind it the extender has a node cache.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

type question struct {
	How    string `json:"how"`
	Text   []byte `json:"text"`
	Status int    `json:"status"`
}

type answer struct {
	Found any    `json:"found,omitempty"`
	Error string `json:"error,omitempty"`
}

func read(asked question) (found any, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	if asked.How == "config" {
		return profiles(asked.Text)
	}
	return extended(asked)
}

// profiles is: profile, extension point, plugins in order with their weights.
func profiles(text []byte) (any, error) {
	folder, err := os.MkdirTemp("", "schedulerread")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := options.NewOptions()
	asked.ConfigFile = filepath.Join(folder, "config")
	if err := os.WriteFile(asked.ConfigFile, text, 0o600); err != nil {
		return nil, err
	}
	asked.Master = "http://127.0.0.1:1"
	asked.SecureServing.BindPort = 0
	completed, made, err := app.Setup(ctx, asked)
	if err != nil {
		return nil, err
	}
	if election := completed.LeaderElection; election != nil {
		// What kube-scheduler does next, before anything else.
		election.Callbacks = leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) {}, OnStoppedLeading: func() {}}
		if _, err := leaderelection.NewLeaderElector(*election); err != nil {
			return nil, err
		}
	}
	found := map[string]map[string][]config.Plugin{}
	for name, profile := range made.Profiles {
		listed := profile.ListPlugins()
		found[name] = map[string][]config.Plugin{
			"preEnqueue": listed.PreEnqueue.Enabled, "queueSort": listed.QueueSort.Enabled,
			"preFilter": listed.PreFilter.Enabled, "filter": listed.Filter.Enabled,
			"postFilter": listed.PostFilter.Enabled, "preScore": listed.PreScore.Enabled,
			"score": listed.Score.Enabled, "reserve": listed.Reserve.Enabled, "permit": listed.Permit.Enabled,
			"preBind": listed.PreBind.Enabled, "bind": listed.Bind.Enabled, "postBind": listed.PostBind.Enabled,
		}
	}
	return found, nil
}

var nodeNames = []string{"a", "b", "c"}

// nodes are found by name as in a snapshot; nothing else is asked of it.
type nodes struct {
	fwk.NodeInfoLister
	byName map[string]fwk.NodeInfo
}

func (n nodes) Get(name string) (fwk.NodeInfo, error) {
	if found, there := n.byName[name]; there {
		return found, nil
	}
	return nil, fmt.Errorf("nodeinfo not found for node name %q", name)
}

func cluster() (nodes, []fwk.NodeInfo) {
	found, listed := nodes{byName: map[string]fwk.NodeInfo{}}, []fwk.NodeInfo{}
	for _, name := range nodeNames {
		pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name)}}
		info := framework.NewNodeInfo(pod)
		info.SetNode(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		found.byName[name] = info
		listed = append(listed, info)
	}
	return found, listed
}

// extended is what the extender makes of an answer.
func extended(asked question) (any, error) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(asked.Status)
		w.Write(asked.Text)
	}))
	defer server.Close()
	verb, names := strings.CutSuffix(asked.How, "-names")
	extender, err := scheduler.NewHTTPExtender(&config.Extender{
		URLPrefix: server.URL, FilterVerb: "v", PrioritizeVerb: "v", PreemptVerb: "v", BindVerb: "v", Weight: 1,
		NodeCacheCapable: names,
	})
	if err != nil {
		return nil, err
	}
	known, listed := cluster()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "uid-p"}}
	switch verb {
	case "filter":
		stay, failed, unresolvable, err := extender.Filter(pod, listed)
		if err != nil {
			return nil, err
		}
		kept := []string{}
		for _, info := range stay {
			kept = append(kept, info.Node().Name)
		}
		return map[string]any{"names": kept, "failed": filled(failed), "unresolvable": filled(unresolvable)}, nil
	case "prioritize":
		scores, _, err := extender.Prioritize(pod, listed)
		if err != nil {
			return nil, err
		}
		totals := map[string]int64{}
		for _, score := range *scores {
			totals[score.Host] += score.Score
		}
		return totals, nil
	case "preempt":
		return preempted(extender, pod, known)
	case "bind":
		return "bound", extender.Bind(&v1.Binding{Target: v1.ObjectReference{Kind: "Node", Name: "a"}})
	}
	return nil, fmt.Errorf("unknown question: %s", asked.How)
}

func preempted(extender fwk.Extender, pod *v1.Pod, known nodes) (any, error) {
	victims := map[string]*extenderv1.Victims{}
	for name, info := range known.byName {
		victims[name] = &extenderv1.Victims{Pods: []*v1.Pod{info.GetPods()[0].GetPod()}}
	}
	chosen, err := extender.ProcessPreemption(pod, victims, known)
	if err != nil {
		return nil, err
	}
	found := map[string]any{}
	for name, victims := range chosen {
		uids := []string{}
		for _, victim := range victims.Pods {
			uids = append(uids, string(victim.UID))
		}
		found[name] = map[string]any{"uids": uids, "violations": victims.NumPDBViolations}
	}
	return found, nil
}

func filled(reasons extenderv1.FailedNodesMap) extenderv1.FailedNodesMap {
	if reasons == nil {
		return extenderv1.FailedNodesMap{}
	}
	return reasons
}

func main() {
	klog.InitFlags(nil)
	flag.Set("logtostderr", "false")
	flag.Set("alsologtostderr", "false")
	flag.Set("stderrthreshold", "FATAL")
	klog.SetOutput(discard{})
	questions := bufio.NewScanner(os.Stdin)
	questions.Buffer(nil, 1<<30)
	answers := bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	for questions.Scan() {
		var asked question
		if err := json.Unmarshal(questions.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var said answer
		if found, err := read(asked); err != nil {
			said.Error = err.Error()
		} else {
			said.Found = found
		}
		line, err := json.Marshal(said)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answers.Write(append(line, '\n'))
		answers.Flush()
	}
}

// discard takes the log.
type discard struct{}

func (discard) Write(text []byte) (int, error) { return len(text), nil }
