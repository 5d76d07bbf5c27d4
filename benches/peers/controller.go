package main

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"net/http"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func priorityQueue(objects int) figures {
	out := figures{}
	keys := make([]reconcile.Request, objects)
	for n := range keys {
		keys[n].NamespacedName = types.NamespacedName{Namespace: objectNamespace(n), Name: objectName(n)}
	}
	queue := priorityqueue.New[reconcile.Request]("bench")
	begun := time.Now()
	for _, key := range keys {
		queue.Add(key)
	}
	added := time.Since(begun)
	for range keys {
		key, _ := queue.Get()
		queue.Done(key)
	}
	all := time.Since(begun)
	out["add"] = float64(objects) / added.Seconds()
	out["get_done"] = float64(objects) / (all - added).Seconds()
	out["all"] = float64(objects) / all.Seconds()
	for _, key := range keys {
		queue.Add(key)
	}
	begun = time.Now()
	for range keys {
		key, _ := queue.Get()
		queue.Done(key)
		queue.Add(key)
	}
	out["steady"] = float64(objects) / time.Since(begun).Seconds()
	return out
}

// nothing reconciles nothing, and says when it was called.
type nothing struct {
	client  client.Client
	objects int64
	done    atomic.Int64
	lock    sync.Mutex
	first   time.Time
	ages    []float64
}

func (n *nothing) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	done := n.done.Add(1)
	if done == 1 {
		n.lock.Lock()
		n.first = time.Now()
		n.lock.Unlock()
	}
	var foo Foo
	if err := n.client.Get(ctx, request.NamespacedName, &foo); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if done > n.objects {
		if made, err := strconv.ParseInt(foo.ResourceVersion, 10, 64); err == nil {
			age := float64(time.Now().UnixNano()-made) / 1e6
			n.lock.Lock()
			n.ages = append(n.ages, age)
			n.lock.Unlock()
		}
	}
	return reconcile.Result{}, nil
}

func controller(url string, objects int) (figures, error) {
	out := figures{}
	log.SetLogger(logr.Discard())
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{fooVersion})
	mapper.Add(fooVersion.WithKind("Foo"), meta.RESTScopeNamespace)
	manager, err := manager.New(config(url), manager.Options{
		Scheme:  newScheme(),
		Metrics: server.Options{BindAddress: "0"},
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) {
			return mapper, nil
		},
	})
	if err != nil {
		return nil, err
	}
	// Its client copies each object that it reads, as it does for everybody by default.
	reconciler := &nothing{client: manager.GetClient(), objects: int64(objects)}
	if err := builder.ControllerManagedBy(manager).For(&Foo{}).Named("bench").Complete(reconciler); err != nil {
		return nil, err
	}
	used, begun := cpu(), time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		if err := manager.Start(ctx); err != nil {
			fatal(err)
		}
	}()
	if err := until(func() bool { return reconciler.done.Load() >= int64(objects) }); err != nil {
		return nil, err
	}
	all := time.Since(begun).Seconds()
	reconciler.lock.Lock()
	first := reconciler.first.Sub(begun).Seconds()
	reconciler.lock.Unlock()
	out["first_s"], out["all_s"], out["cpu_s"] = first, all, cpu()-used
	out["per_s"] = float64(objects) / (all - first)

	goal := reconciler.done.Load() + int64(objects)
	begun = time.Now()
	go askForEvents(url, objects, 0)
	if err := until(func() bool { return reconciler.done.Load() >= goal }); err != nil {
		return nil, err
	}
	out["burst_per_s"] = float64(objects) / time.Since(begun).Seconds()

	reconciler.lock.Lock()
	reconciler.ages = nil
	reconciler.lock.Unlock()
	used, goal = cpu(), reconciler.done.Load()+events
	go askForEvents(url, events, eventsRate)
	if err := until(func() bool { return reconciler.done.Load() >= goal }); err != nil {
		return nil, err
	}
	out["event_cpu_ms"] = (cpu() - used) * 1e3 / events
	reconciler.lock.Lock()
	percentiles(reconciler.ages, out)
	reconciler.lock.Unlock()
	out["peak_mib"] = peak()
	return out, nil
}
