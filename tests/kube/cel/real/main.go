package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/decls"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/util/version"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
	"k8s.io/apiserver/pkg/cel/mutation"
)

func typeOf(t *types.Type) any {
	ps := []any{}
	for _, p := range t.Parameters() {
		ps = append(ps, typeOf(p))
	}
	kind := "type"
	if t.Kind() == types.TypeParamKind {
		kind = "param"
	}
	if len(ps) == 0 {
		if kind == "param" {
			return "<" + t.TypeName() + ">"
		}
		return t.String()
	}
	return []any{t.TypeName(), ps}
}

func main() {
	var ns, rq *apiservercel.DeclType = plugincel.BuildNamespaceType(), plugincel.BuildRequestType()
	vars := apiservercel.NewObjectType("kubernetes.variables", map[string]*apiservercel.DeclField{})
	base := environment.MustBaseEnvSet(version.MajorMinor(1, 37))
	set, err := base.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []cel.EnvOption{
			cel.Variable("object", cel.DynType), cel.Variable("oldObject", cel.DynType), cel.Variable("params", cel.DynType),
			cel.Variable("namespaceObject", ns.CelType()), cel.Variable("request", rq.CelType()), cel.Variable("variables", vars.CelType()),
			cel.Variable("authorizer", library.AuthorizerType), cel.Variable("authorizer.requestResource", library.ResourceCheckType),
		},
		DeclTypes: []*apiservercel.DeclType{ns, rq, vars},
	}, environment.StrictCostOpt)
	if err != nil {
		panic(err)
	}
	set, err = set.Extend(environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []cel.EnvOption{common.ResolverEnvOption(&mutation.DynamicTypeResolver{}), environment.UnversionedLib(library.JSONPatch)}})
	if err != nil {
		panic(err)
	}
	env, err := set.Env(environment.StoredExpressions)
	if err != nil {
		panic(err)
	}
	if len(os.Args) > 1 && os.Args[1] == "declarations" {
		functions := map[string][]any{}
		names := []string{}
		for name := range env.Functions() {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			f := env.Functions()[name]
			for _, o := range f.OverloadDecls() {
				args := []any{}
				for _, a := range o.ArgTypes() {
					args = append(args, typeOf(a))
				}
				functions[name] = append(functions[name], []any{o.ID(), o.IsMemberFunction(), args, typeOf(o.ResultType())})
			}
		}
		variables := map[string]any{}
		for _, v := range env.Variables() {
			variables[v.Name()] = typeOf(v.Type())
		}
		_ = decls.NewVariable
		out, _ := json.Marshal(map[string]any{"functions": functions, "variables": variables})
		fmt.Println(string(out))
		return
	}
	var data any
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 1<<20), 1<<26)
	for scanner.Scan() {
		var in struct {
			E string
			O any
		}
		if err := json.Unmarshal(scanner.Bytes(), &in); err != nil {
			panic(err)
		}
		if in.O != nil {
			data = normal(in.O)
		}
		result := map[string]any{"e": in.E}
		ast, issues := env.Compile(in.E)
		if issues != nil && issues.Err() != nil {
			result["compile"] = issues.String()
		} else {
			result["type"] = ast.OutputType().String()
			prog, err := env.Program(ast, cel.InterruptCheckFrequency(100))
			if err != nil {
				result["program"] = err.Error()
			} else {
				v, det, err := prog.Eval(map[string]any{"object": data, "oldObject": nil, "params": nil})
				if err != nil {
					result["error"] = err.Error()
				} else {
					result["value"] = fmt.Sprintf("%v", v.Value())
					result["vtype"] = v.Type().TypeName()
					if n, err := v.ConvertToNative(types.JSONValueType); err == nil {
						result["json"] = n
					}
				}
				if det != nil && det.ActualCost() != nil {
					result["cost"] = *det.ActualCost()
				}
			}
		}
		out, _ := json.Marshal(result)
		fmt.Println(string(out))
	}
}

func normal(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for k, x := range t {
			t[k] = normal(x)
		}
	case []any:
		for i, x := range t {
			t[i] = normal(x)
		}
	case float64:
		if t == float64(int64(t)) {
			return int64(t)
		}
	}
	return v
}
