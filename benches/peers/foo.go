package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var fooVersion = schema.GroupVersion{Group: "bench.kubewright.dev", Version: "v1"}

// Foo is the kind of the bench, as code-generator's users write one.
type Foo struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              FooSpec    `json:"spec"`
	Status            *FooStatus `json:"status,omitempty"`
}

type FooSpec struct {
	DeploymentName string    `json:"deploymentName"`
	Replicas       int32     `json:"replicas"`
	Image          string    `json:"image"`
	Ports          []FooPort `json:"ports"`
}

type FooPort struct {
	Name string `json:"name"`
	Port int32  `json:"port"`
}

type FooStatus struct {
	AvailableReplicas  int32 `json:"availableReplicas"`
	ObservedGeneration int64 `json:"observedGeneration"`
}

type FooList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []Foo `json:"items"`
}

func (foo *Foo) DeepCopyObject() runtime.Object {
	out := &Foo{TypeMeta: foo.TypeMeta, Spec: foo.Spec}
	foo.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Ports = append([]FooPort(nil), foo.Spec.Ports...)
	if foo.Status != nil {
		status := *foo.Status
		out.Status = &status
	}
	return out
}

func (list *FooList) DeepCopyObject() runtime.Object {
	out := &FooList{TypeMeta: list.TypeMeta}
	list.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range list.Items {
		out.Items = append(out.Items, *list.Items[i].DeepCopyObject().(*Foo))
	}
	return out
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(fooVersion, &Foo{}, &FooList{})
	metav1.AddToGroupVersion(scheme, fooVersion)
	return scheme
}
