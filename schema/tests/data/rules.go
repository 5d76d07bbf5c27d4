// Asks the libraries of kube-apiserver what they make of definitions and of objects with rules in CEL: reads cases as they
// stand in rules.jsonl, and writes them with their errors and warnings.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	apiservervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/warning"
)

// The library numbers its types by the clock.
var selfType = regexp.MustCompile(`selfType\d+`)

type recorder struct{ texts []string }

func (r *recorder) AddWarning(_, text string) { r.texts = append(r.texts, text) }

type entry struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	// Another schema that is stored already.
	Before json.RawMessage `json:"before,omitempty"`
	Old    json.RawMessage `json:"old,omitempty"`
	New    json.RawMessage `json:"new,omitempty"`
	// Through the door of the status.
	Status   bool     `json:"status,omitempty"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings,omitempty"`
}

func crdOf(raw json.RawMessage) *apiextensions.CustomResourceDefinition {
	var props v1.JSONSchemaProps
	if err := json.Unmarshal(raw, &props); err != nil {
		panic(fmt.Sprintf("%s: %v", raw, err))
	}
	crd := &v1.CustomResourceDefinition{}
	crd.Name = "foos.example.com"
	crd.Spec.Group = "example.com"
	crd.Spec.Scope = "Namespaced"
	crd.Spec.Names = v1.CustomResourceDefinitionNames{Plural: "foos", Singular: "foo", Kind: "Foo", ListKind: "FooList"}
	crd.Spec.Conversion = &v1.CustomResourceConversion{Strategy: v1.NoneConverter}
	crd.Spec.Versions = []v1.CustomResourceDefinitionVersion{{
		Name: "v1", Served: true, Storage: true,
		Schema:       &v1.CustomResourceValidation{OpenAPIV3Schema: &props},
		Subresources: &v1.CustomResourceSubresources{Status: &v1.CustomResourceSubresourceStatus{}},
	}}
	crd.Status.StoredVersions = []string{"v1"}
	internal := &apiextensions.CustomResourceDefinition{}
	if err := v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, internal, nil); err != nil {
		panic(err)
	}
	return internal
}

func texts(errs field.ErrorList) []string {
	found := []string{}
	for _, err := range errs {
		found = append(found, err.Error())
	}
	return found
}

func object(raw json.RawMessage) *unstructured.Unstructured {
	if raw == nil {
		return nil
	}
	var value map[string]interface{}
	if err := utiljson.Unmarshal(raw, &value); err != nil {
		panic(err)
	}
	for key, set := range map[string]interface{}{
		"apiVersion": "example.com/v1", "kind": "Foo",
		"metadata": map[string]interface{}{"name": "a", "namespace": "default", "resourceVersion": "1", "uid": "u"},
	} {
		if _, ok := value[key]; !ok {
			value[key] = set
		}
	}
	return &unstructured.Unstructured{Object: value}
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var e entry
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			panic(err)
		}
		warnings := &recorder{}
		ctx := warning.WithWarningRecorder(context.Background(), warnings)
		crd := crdOf(e.Schema)
		if e.New == nil {
			if e.Before == nil {
				e.Errors = texts(validation.ValidateCustomResourceDefinition(ctx, crd))
			} else {
				before := crdOf(e.Before)
				crd.ResourceVersion, before.ResourceVersion = "1", "1"
				e.Errors = texts(validation.ValidateCustomResourceDefinitionUpdate(ctx, crd, before))
			}
		} else {
			props, _ := apiextensions.GetSchemaForVersion(crd, "v1")
			structural, err := structuralschema.NewStructural(props.OpenAPIV3Schema)
			if err != nil {
				panic(e.Name + err.Error())
			}
			validator, _, err := apiservervalidation.NewSchemaValidator(props.OpenAPIV3Schema)
			if err != nil {
				panic(err)
			}
			var statusValidator apiservervalidation.SchemaValidator
			if status, ok := props.OpenAPIV3Schema.Properties["status"]; ok {
				statusValidator, _, _ = apiservervalidation.NewSchemaValidator(&status)
			}
			kind := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Foo"}
			strategy := customresource.NewStrategy(nil, true, kind, validator, statusValidator, structural,
				&apiextensions.CustomResourceSubresourceStatus{}, nil, nil)
			created, old := object(e.New), object(e.Old)
			switch {
			case e.Status:
				e.Errors = texts(customresource.NewStatusStrategy(strategy).ValidateUpdate(ctx, created, old))
			case old != nil:
				e.Errors = texts(strategy.ValidateUpdate(ctx, created, old))
			default:
				e.Errors = texts(strategy.Validate(ctx, created))
			}
		}
		sort.Strings(e.Errors)
		for i := range e.Errors {
			e.Errors[i] = selfType.ReplaceAllString(e.Errors[i], "selfType")
		}
		e.Warnings = warnings.texts
		sort.Strings(e.Warnings)
		if err := out.Encode(e); err != nil {
			panic(err)
		}
	}
}
